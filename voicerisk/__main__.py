"""`python -m voicerisk` is the command `voicerisk`."""

from voicerisk.cli import main

main()
