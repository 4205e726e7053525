"""What people bring: tables and texts of any spreadsheet or program, read by one set of rules.

May be imported: `read_sheet` and its result `Sheet`, `read_text`, and what cells mean (`cells`), ids that
look
alike (`ids`), files named in a table (`places`).
"""

from voicerisk.intake.cells import clean, is_missing
from voicerisk.intake.decoding import read_text
from voicerisk.intake.ids import look_alikes, near_key
from voicerisk.intake.places import find_file, is_there, leads_out, same_but_for_case
from voicerisk.intake.sheet import Sheet, read_sheet

__all__ = [
    "clean",
    "look_alikes",
    "near_key",
    "read_sheet",
]
