"""Mail domains that many people have, and real ones that look like a slip of them: the data of `typos.py`."""

COMMON: tuple[str, ...] = (
    # the ones that half of all signers have, most common first
    *("gmail.com", "hotmail.com", "yahoo.com", "outlook.com", "icloud.com", "googlemail.com", "protonmail.com"),
    *("hotmail.fr", "yahoo.fr", "outlook.fr", "laposte.net", "orange.fr", "wanadoo.fr", "bbox.fr", "numericable.fr"),
    *("hotmail.de", "yahoo.de", "outlook.de", "t-online.de", "freenet.de", "posteo.de", "mailbox.org", "arcor.de"),
    *("hotmail.it", "yahoo.it", "outlook.it", "libero.it", "virgilio.it", "tiscali.it"),
    *("hotmail.es", "yahoo.es", "outlook.es", "telefonica.net"),
    *("hotmail.co.uk", "yahoo.co.uk", "btinternet.com", "virginmedia.com", "blueyonder.co.uk", "talktalk.net"),
    *("hotmail.be", "telenet.be", "skynet.be", "proximus.be", "hotmail.nl", "ziggo.nl", "kpnmail.nl", "planet.nl"),
    *("bluewin.ch", "hispeed.ch", "sunrise.ch", "hotmail.ch", "yahoo.ca", "hotmail.ca", "videotron.ca", "sympatico.ca"),
    *("yahoo.com.br", "hotmail.com.br", "yahoo.co.in", "rediffmail.com", "yahoo.co.jp", "fastmail.com", "tutanota.com"),
    *("comcast.net", "verizon.net", "bellsouth.net", "rocketmail.com", "seznam.cz", "yandex.ru", "rambler.ru"),
)

SHORT: tuple[str, ...] = (
    # too short for a guess: a letter more or less is another real domain. Their endings are still looked at
    *(
        "aol.com",
        "gmx.com",
        "gmx.de",
        "gmx.net",
        "gmx.fr",
        "gmx.at",
        "gmx.ch",
        "web.de",
        "mail.com",
        "msn.com",
        "me.com",
    ),
    *("mac.com", "live.com", "live.fr", "live.de", "live.it", "live.nl", "live.be", "live.co.uk", "free.fr", "sfr.fr"),
    *("neuf.fr", "aol.fr", "aol.de", "att.net", "cox.net", "sky.com", "uol.com.br", "bol.com.br", "qq.com", "163.com"),
    *("126.com", "mail.ru", "ukr.net", "wp.pl", "o2.pl", "onet.pl", "alice.it", "ymail.com", "email.com", "zoho.com"),
    *("proton.me", "pm.me", "tuta.io", "hey.com", "ntlworld.com"),
)

REAL: tuple[str, ...] = (
    # real domains, one slip from a common one, that somebody may well have an address in
    *("grail.com", "gmail.ru", "gmail.fr", "gmail.de", "ymail.fr", "hotmail.sg", "hotmail.com.ar", "yahoo.cn"),
    *("yahoo.co.nz", "yahoo.co.id", "yahoo.co.za", "orangemail.fr", "orange.com", "orange.net", "orange.es"),
    *("orange.be", "orange.ch", "laposte.fr", "laposte.com", "icloud.fr", "outlook.at", "outlook.be", "outlook.jp"),
    *("outlooks.com", "fastmail.fm", "fastmail.net", "fastmail.fr", "fastmail.jp", "protonmail.ch", "yandex.com"),
    *("yandex.ua", "yandex.by", "freenet.com", "freenet.fr", "planets.nl", "sunrise.com", "telenet.com"),
    *("telnet.be", "verizon.com", "comcast.com", "tiscali.fr", "tiscali.co.uk", "rambler.ua", "libero.com"),
    *("liberi.it", "mailbox.com", "mailbox.de", "mailbox.co.za", "seznam.com", "posted.de", "ziggo.com"),
)

NO_TLD = {
    # endings that are not in the root zone and cannot be a domain of anybody's
    **dict.fromkeys(
        ("con", "cmo", "ocm", "vom", "xom", "cpm", "comm", "coom", "ccom", "conm", "comn", "c0m", "clm"), "com"
    ),
    **dict.fromkeys(("nte", "ent", "nett", "neet", "nrt"), "net"),
    **dict.fromkeys(("ogr", "rog", "orgg", "otg"), "org"),
    **dict.fromkeys(("ffr", "frr", "rf", "ft"), "fr"),
}

NEARLY_COM = frozenset({"co", "cm", "om", "cim", "com.com", "com.co", "comcom"})
"""Endings that exist or could, but not for a domain that is common under .com alone."""
