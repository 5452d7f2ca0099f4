"""What the image face allows, in Glance's names."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy.rule import (
    ADMIN,
    OF_PROJECT,
    PROJECT_MEMBER,
    PROJECT_READER,
    Rule,
)

CREATE_IMAGE = Rule("add_image", PROJECT_MEMBER, "creating an image", OF_PROJECT)
SHOW_IMAGE = Rule(
    "get_image",
    PROJECT_READER,
    "seeing an image, and making servers from it",
    OF_PROJECT,
    reads=True,
)
LIST_IMAGES = Rule("get_images", PROJECT_READER, "listing images", OF_PROJECT, reads=True)
UPDATE_IMAGE = Rule("modify_image", PROJECT_MEMBER, "changing an image", OF_PROJECT)
DELETE_IMAGE = Rule("delete_image", PROJECT_MEMBER, "deleting an image", OF_PROJECT)
PUBLICIZE_IMAGE = Rule("publicize_image", ADMIN, "making an image public", OF_PROJECT)
DOWNLOAD_IMAGE = Rule(
    "download_image", PROJECT_READER, "downloading an image", OF_PROJECT, reads=True
)
UPLOAD_IMAGE = Rule("upload_image", PROJECT_MEMBER, "uploading the bytes of an image", OF_PROJECT)

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))
