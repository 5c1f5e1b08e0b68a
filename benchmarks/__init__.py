"""Speed and memory, each against peers and against the limit, side by side in one command."""
