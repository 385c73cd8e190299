"""The stack of infra/compose as processes of this machine, on the loopback (docs/stack.md)."""
