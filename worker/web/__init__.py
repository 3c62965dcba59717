"""The pages: what a supporter and a campaign's own site see. A skin: rules live in intake and operations."""
