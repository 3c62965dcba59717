"""Which other sites may use a campaign's form and API: its own ones, named in its config."""

import re
from collections.abc import Mapping

from worker.domain.campaign import Campaign
from worker.web.headers import CONTENT_SECURITY_POLICY

_PATH = re.compile(r"/(?:c|api/v1/campaigns)/([a-z0-9-]{1,60})(?:/signatures)?\Z")


class Origins:
    """The allow-lists of all campaigns."""

    def __init__(self, campaigns: Mapping[str, Campaign]) -> None:
        self._sites = {slug: frozenset(campaign.sites) for slug, campaign in campaigns.items()}

    def may_write(self, path: str, origin: str) -> bool:
        """Whether a page of `origin` (lower case) may post to `path`: the form or the signatures of its own campaign."""
        found = _PATH.match(path)
        return found is not None and origin in self._sites.get(found[1], frozenset())


def frame_policy(campaign: Campaign) -> str:
    """The Content-Security-Policy of a page that the campaign's own sites may frame."""
    sites = " ".join(campaign.sites) or "'none'"
    return CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {sites}")
