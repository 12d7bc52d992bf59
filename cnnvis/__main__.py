"""``python -m cnnvis``."""

from .main import main

main()
