"""Text of crisis-chat sessions, without torch: what is learned and explained that needs no network.

Messages to cleaned and labelled sessions (`sessions`), splits of whole users and oversampling (`splits`), the
TF-IDF baseline (`tfidf`), word vectors (`vectors`), Shapley values (`shapley`), tables of words (`words`).
`voicerisk.deep` runs a study with them.
"""

from voicerisk.text.settings import ExplainSettings, NetworkSettings, TextSettings

__all__ = [
    "ExplainSettings",
    "NetworkSettings",
    "TextSettings",
]
