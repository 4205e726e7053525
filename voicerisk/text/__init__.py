"""Text of crisis-chat sessions, without torch."""
