"""The picture of the layers is that of the code."""

import layers_picture
import package_imports


def test_every_room_says_what_it_is_for() -> None:
    assert all(package_imports.purpose(name) for name in package_imports.rooms())


def test_picture_is_that_of_the_code() -> None:
    message = "run `python docs/generate/layers_picture.py`"
    assert layers_picture.PICTURE.read_text() == layers_picture.picture(), message
