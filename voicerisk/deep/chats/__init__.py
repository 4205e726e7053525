"""Studies of crisis chats."""
