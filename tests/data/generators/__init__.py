"""What make.py writes, one module per family of formats."""
