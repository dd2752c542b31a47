"""Fast style transfer: networks that learn a painting's style once and then paint any photo in one pass.

Names are imported when they are first used: settings, events and the library have to be there without PyTorch
being set to work.
"""

from __future__ import annotations

from convolab.lazy import lazily

_HOME_OF = {
    "Architecture": "architecture",
    "Card": "files",
    "Entry": "library",
    "Filtered": "stylizing",
    "Flicker": "flicker",
    "Gathered": "photo_sources",
    "LearnEvent": "events",
    "LearnFinished": "events",
    "LearnPaused": "events",
    "LearnPreview": "events",
    "LearnRecovered": "events",
    "LearnResumed": "events",
    "LearnSaved": "events",
    "LearnSettings": "settings",
    "LearnStarted": "events",
    "LearnStep": "events",
    "Learning": "learning",
    "Painter": "painter",
    "SIZES": "architecture",
    "Style": "files",
    "TransformNetwork": "network",
    "VideoProgress": "video",
    "add_style": "library",
    "border_artefact": "border",
    "create_learning": "job",
    "execute_learning": "job",
    "export_style": "library",
    "find_style": "library",
    "gather": "photo_sources",
    "get_style": "library",
    "import_style": "library",
    "learn_event_from_dict": "events",
    "learn_style": "learning",
    "load_style": "files",
    "parse": "architecture",
    "remove_style": "library",
    "rename_style": "library",
    "restyle_video": "video",
    "save_style": "files",
    "styles": "library",
    "stylize": "stylizing",
    "stylize_steps": "stylizing",
    "video_facts": "video",
}

__all__ = [*_HOME_OF]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
