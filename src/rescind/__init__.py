"""Long database work that you can take back."""

__version__ = "0.1.0"
