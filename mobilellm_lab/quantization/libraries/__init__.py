"""Adapters to torchao and torch.ao"""
