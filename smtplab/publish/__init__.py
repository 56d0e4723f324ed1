"""The report: every chapter executed on a case and bound into one self-contained HTML file.

`publish.run.run` makes it; `chapters` finds and executes the notebooks, `bind` makes the page.
"""
