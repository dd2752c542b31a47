"""The room Fast style: photos, camera and video in styles that were learned, and learning new ones."""
