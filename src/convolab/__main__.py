"""`python -m convolab` is the command `convolab`."""

import sys

from convolab.cli import main

sys.exit(main())
