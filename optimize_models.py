#!/usr/bin/env python
"""`python optimize_models.py NAME`: short for `manage.py optimize_models NAME`."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsservice.settings")
    execute_from_command_line([sys.argv[0], "optimize_models", *sys.argv[1:]])
