"""PyTorch's own pruning, torch.nn.utils.prune"""
