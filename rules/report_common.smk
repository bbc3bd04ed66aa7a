# Helpers that put results into the report. Each is there in two formats, of which one is shown.

CAPTIONS = "../workflow/report"
TABLES = {}  # CSV files in the report: title, caption and category of each


def figure(path, title):
    """A picture or its data (Parquet) in the report; the caption is named after the file."""
    return report(
        path,
        caption=f"{CAPTIONS}/{Path(path).stem}.rst",
        category="Figures",
        labels={
            "figure": title,
            "as": "picture" if path.endswith(".png") else "table in Parquet",
        },
    )


def table(path, title, caption, category="Tables"):
    """A CSV file in the report."""
    TABLES[path] = (title, caption, category)
    return report(
        path,
        caption=f"{CAPTIONS}/{caption}.rst",
        category=category,
        labels={"table": title, "as": "table in CSV"},
    )


def reported_tables(results):
    """The CSV files among `results` that are in the report."""
    return list(dict.fromkeys(str(path) for path in results if str(path) in TABLES))


def page(path):
    """The CSV file `path` as a page to read in the report."""
    title, caption, category = TABLES[path]
    return report(
        path.replace(".csv", ".html"),
        caption=f"{CAPTIONS}/{caption}.rst",
        category=category,
        labels={"table": title, "as": "page"},
    )
