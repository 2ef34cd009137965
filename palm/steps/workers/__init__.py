"""Workers: processes for steps, forked from a server that has imported PyTorch and TRL already.

The imports take longer than the training of a small policy, and every task of a local build is a process of its own.
Each step still gets a fresh process: its results, failures and memory affect no other step.
"""
