"""The built website in Firefox and in WebKit: `make browsers`, before a release."""
