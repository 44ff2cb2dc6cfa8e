"""Clean text of its markup without losing any: what providers send is for browsers, not for readers."""

from __future__ import annotations

import html
import re
import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.text import MARKUP_LIMIT, canonical_url, strip_markup, web_url

unhurried = settings(deadline=None)  # a busy machine is no fault

# Every character a reader could see, but for those that markup is made of.
SHOWN = st.characters(exclude_categories=("C",), exclude_characters="<>&\ufffd\u3164")
PLAIN = st.text(SHOWN | st.sampled_from(" \t\n\u00a0\u3000"), max_size=200)
TAGS = ("b", "br", "p", "strong", "em", "font", "span", "div", "a", "img", "td", "h1", "script", "table")
ENTITIES = (
    "&quot;",
    "&amp;",
    "&lt;",
    "&gt;",
    "&apos;",
    "&#39;",
    "&#x27;",
    "&nbsp;",
    "&middot;",
    "&hellip;",
    "&lsquo;",
)
MARKUP = st.sampled_from(
    [each for tag in TAGS for each in (f"<{tag}>", f"</{tag}>", f"<\\/{tag}>", f"<{tag.upper()}>", f"<{tag}/>")]
    + ['<a href="https://a.example/?a=1&amp;b=2" target=_blank>', "<font color='red'>", "<img src=x alt='a>b'/>"]
    + ["<p style = \"x\"class='y'>", "<!-- a > b -->", *ENTITIES]
)
MARKUP_LIKE = re.compile(
    r"<\\?/?(?:[a-z:]+|[A-Z:]+|[hH]\d)[\s/>\"']|<!--|&[#\w]+;"
)  # what even a reader may take for it
LEFTOVER = re.compile(rf"<[\\/]*(?:{'|'.join(TAGS)})[^<>]*>|<!--|{'|'.join(ENTITIES)}", re.IGNORECASE)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<b>한빛전자</b> 실적", "한빛전자 실적"),
        ("<b>한빛전자<\\/b> 실적", "한빛전자 실적"),
        ("한빛<b>전자</b>의", "한빛전자의"),
        ("하나<br>둘<br/>셋<BR />넷", "하나 둘 셋 넷"),
        ("<p>하나</p><p>둘</p>", "하나 둘"),
        ("한빛전자\t\t실적\r\n 호조\u00a0\u3000끝 ", "한빛전자 실적 호조 끝"),
        ("&quot;흑자&quot; &apos;전환&apos; &#39;또&#39; &#x27;또&#x27;", "\"흑자\" '전환' '또' '또'"),
        ("R&amp;D M&A AT&T", "R&D M&A AT&T"),
        ("매출 5 &lt; 10", "매출 5 < 10"),
        ("매출 5 < 10 > 3", "매출 5 < 10 > 3"),
        ("3&lt;b&gt;의 뜻", "3의 뜻"),
        ("<한빛전자> 새 소식", "<한빛전자> 새 소식"),
        ("&lt;한빛전자&gt; 새 소식", "<한빛전자> 새 소식"),
        ("<S Oil> <P&G 실적> <A씨> <2부>", "<S Oil> <P&G 실적> <A씨> <2부>"),
        ("<Meta> &lt;Link&gt; <Label>", "<Meta> <Link> <Label>"),
        ("&amp;quot;두 번&amp;quot; &amp;lt;b&amp;gt;굵게", '"두 번" 굵게'),
        ("&amp;amp;amp;quot;네 번&amp;amp;amp;quot;", '"네 번"'),
        ("<<b>b>겹친</<b>b>", "겹친"),
        ("<b\u200b>틈 있는</b>", "틈 있는"),
        ("값<!-- 숨긴 > 말 -->어치", "값어치"),
        ("앞<script>alert('<b>')</script>뒤<style>p {}</style>", "앞 뒤"),
        ("<a href=\"https://a.example/?q=<b>\"target='_blank' hidden>여기</a>", "여기"),
        ("<img src=a.png alt='가>나'/><o:p></o:p>그림", "그림"),
        ("&nosuch; &; &#; &#xZZ; 100%&", "&nosuch; &; &#; &#xZZ; 100%&"),
        ("&#0;&#7;&#xD800;&#x110000;&#9999999;끝", "끝"),
        ("\0제\u200b목\ufeff\u00ad \ud83d\x07끝", "제목 끝"),
        (unicodedata.normalize("NFD", "한빛전자"), "한빛전자"),
        ("ㅎ&#4370;\u200b&#4449;", "ㅎ하"),
        ("🙂 ½ ① ＬＧ 株", "🙂 ½ ① ＬＧ 株"),
        ("", ""),
        ("<b></b>&nbsp;", ""),
    ],
)
def test_markup_goes_and_text_stays(markup, text):
    assert strip_markup(markup) == text


@given(PLAIN)
@unhurried
def test_plain_text_survives_but_for_its_blanks(text):
    assert strip_markup(text) == " ".join(unicodedata.normalize("NFC", text).split())


@given(st.text(SHOWN | st.sampled_from("<>& "), max_size=100).filter(lambda text: not MARKUP_LIKE.search(text)))
@example("<한빛전자> 5 < 10 && 10 > 5 <2부> <A씨> R&D")
@unhurried
def test_text_that_was_escaped_comes_back(text):
    assert strip_markup(html.escape(text)) == " ".join(unicodedata.normalize("NFC", text).split())


@given(st.lists(PLAIN.filter(str.strip) | MARKUP, max_size=12))
@unhurried
def test_no_tag_or_entity_is_left(parts):
    assert not LEFTOVER.search(strip_markup("".join(parts)))


@given(st.lists(st.tuples(st.text(st.characters(categories=("L", "N")), min_size=1), MARKUP), max_size=8))
@unhurried
def test_no_letter_between_markup_is_lost(pairs):
    markup = "".join(f"{text}{mark}" for text, mark in pairs if "script" not in mark)
    letters = unicodedata.normalize("NFC", "".join(text for text, mark in pairs if "script" not in mark))

    kept = re.sub(r"[^\w]|_", "", strip_markup(markup))
    assert kept == "".join(re.sub(r"[^\w]|_", "", letter) for letter in letters)


@given(st.text(st.characters() | st.sampled_from("<>&;#/\\ b"), max_size=100))
@unhurried
def test_a_cleaned_text_is_clean(text):
    cleaned = strip_markup(text)

    assert cleaned == " ".join(cleaned.split())
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not re.search(r"[\0-\x1f\u200b\ufeff\ud800-\udfff]", cleaned)
    cleaned.encode()


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "<",
            "&",
            "<b",
            "<b ",
            '<a href="',
            "<a a='",
            "<a a=",
            "<a a",
            "<script>",
            "<style ",
            "<!--",
            "<!-- -->",
            "</",
        ),
        *(
            "&amp;",
            "amp;",
            "&#",
            "&lt;b&gt;",
            "<b>",
            "<b a=1",
            "<a async ",
            "\"a=''",
            "<a ''",
            "\t",
            "\u1100",
            "a\u0301",
        ),
    ],
)
def test_hostile_input_is_quick(piece):
    markup = (piece * MARKUP_LIMIT)[: 2 * MARKUP_LIMIT]
    started = time.thread_time()

    for hostile in (markup, f"&{markup}", f"<a {markup}", f"<script>{markup}", f"{markup}>"):
        strip_markup(hostile)

    assert time.thread_time() - started < 1


@given(
    st.lists(
        st.sampled_from(["<", ">", "&", "a", "=", '"', "'", " ", "script", "!--", "--", "/", "amp;"]), max_size=40
    )
)
@settings(unhurried, max_examples=300)
def test_no_mix_of_markup_is_slow(pieces):
    markup = ("".join(pieces) * MARKUP_LIMIT)[:MARKUP_LIMIT]
    started = time.thread_time()

    strip_markup(markup)

    assert time.thread_time() - started < 1


# --- links ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link", ["https://a.example/1", "http://A.example:8080/?a=1#b", " HTTPS://[::1]/ ", "http://한글.kr"]
)
def test_a_link_a_browser_may_follow_is_kept(link):
    assert web_url(link) == link.strip()


@pytest.mark.parametrize(
    "link",
    [
        *(
            "",
            "a.example",
            "//a.example/1",
            "/1",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://a.example",
            "http://",
        ),
        *(
            "http:///1",
            "https://:80",
            "http://[broken",
            "http://a:port/",
            "http://a:99999/",
            "http://a:0/",
            "http://a/\ud800",
        ),
    ],
)
def test_what_no_browser_may_follow_is_no_link(link):
    assert web_url(link) == ""


@pytest.mark.parametrize(
    "other",
    [
        "http://www.press.example/view?b=2&a=1&utm_source=x#top",
        "https://PRESS.example/view?a=1&b=2&fbclid=3",
        "https://www.press.example/view?a=1&b=2#",
    ],
)
def test_addresses_of_one_article_are_one(other):
    assert canonical_url(other) == canonical_url("https://press.example/view?a=1&b=2")


def test_addresses_of_two_articles_are_two():
    links = ["https://a.example/1", "https://a.example/2", "https://a.example/?id=1", "https://a.example/?id=2"]

    assert len({canonical_url(link) for link in links}) == 4


@given(
    st.text(max_size=60).map("http://{}".format) | st.text(max_size=60).map("https://a.example/{}".format) | st.text()
)
def test_every_link_that_is_kept_identifies_an_article(link):
    """One odd link must not cost a whole page."""
    if kept := web_url(link):
        assert canonical_url(kept).encode() is not None
