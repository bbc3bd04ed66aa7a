# Results in the report, each in two formats.

TABLES = {}  # of each CSV file: caption, category and title


def shown(path, shown_as, caption, category, **title):
    caption = f"../workflow/report/{caption}.rst"
    return report(path, caption=caption, category=category, labels={**title, "as": shown_as})


def figure(name, title):
    path, about = f"{paths.FIGURES}/{name}", {"caption": name, "category": "Figures"}
    png = shown(f"{path}.png", "picture", figure=title, **about)
    data = shown(f"{path}.parquet", "table in Parquet", figure=title, **about)
    return {"pdf": f"{path}.pdf", "png": png, "data": data}


def table(name, title, caption, category="Tables"):
    path = f"{paths.TABLES}/{name}.csv"
    TABLES[path] = {"caption": caption, "category": category, "table": title}
    return shown(path, "table in CSV", **TABLES[path])


def tables_among(results):
    """The tables of the report among `results`, whose paths may have the prefix of a module."""
    return [path for path in TABLES if any(result.endswith(path) for result in results)]
