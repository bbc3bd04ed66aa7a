"""The pages of the Python API: one for each room, its modules in order."""

from package_imports import modules, purpose, room, rooms


def pages() -> dict[str, str]:
    """Path of each page, and its Markdown."""
    texts = {}
    for name in rooms():
        own = [module for module in modules() if room(module) == name]
        title = f"sitenet.{name}" if name != "base" else "sitenet"
        sections = "\n\n".join(f"::: {module}" for module in own)
        texts[f"api/{name}.md"] = f"# {title}\n\n{purpose(name)}\n\n{sections}\n"
    return texts
