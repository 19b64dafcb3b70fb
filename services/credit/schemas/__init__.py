"""What the credit service reads and shows: requests become drafts, stored documents and figures become answers."""
