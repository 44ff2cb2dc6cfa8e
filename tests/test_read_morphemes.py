"""Cutting Korean into morphemes: nouns for keywords, positions for evidence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlcore import morphology
from mlcore.morphology import morphemes, nouns


def test_nouns_written_together_are_one_compound():
    assert nouns("삼성전자 반도체 영업이익 급증") == ["삼성전자", "반도체", "영업이익", "급증"]


def test_particles_and_endings_are_not_part_of_a_noun():
    assert nouns("한빛전자가 협력사와 상생을 다짐했다") == ["한빛전자", "협력사", "상생", "다짐"]


def test_latin_letters_join_the_noun_they_cling_to():
    assert "LG화학" in nouns("LG화학의 배터리")


def test_a_unit_after_a_number_is_no_noun():
    assert nouns("3분기 매출 5조원") == ["매출"]


def test_every_morpheme_stands_where_it_says():
    text = "적자폭이 커졌지만 ‘과징금’ 12.5%는 취소됐다"
    pieces = morphemes(text)

    assert [text[p.start : p.end] for p in pieces if p.form == "과징금"] == ["과징금"]
    assert all(0 <= p.start < p.end <= len(text) for p in pieces)
    assert [p.start for p in pieces] == sorted(p.start for p in pieces)


def test_a_verb_is_read_in_its_dictionary_form():
    assert ("커지", "VV") in [(p.form, p.tag) for p in morphemes("적자가 커졌다")]


@pytest.mark.parametrize("text", ["", "   ", "\n", "♥♥", "123", "ㅋㅋㅋ", "😀 📈"])
def test_a_text_without_words_has_no_nouns(text):
    assert nouns(text) == []


def test_importing_loads_no_analyser():
    code = "import sys, mlcore.morphology, mlcore.keyword; print('kiwipiepy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_without_the_analyser_words_lose_their_particle_and_it_is_said(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    forget_everything()
    try:
        assert nouns("한빛전자가 매출을 발표") == ["한빛전자", "매출", "발표"]
        assert nouns("새로운 문장도 읽는다")
        assert [r.levelname for r in caplog.records] == ["WARNING"]
    finally:
        forget_everything()


def forget_everything() -> None:
    for cached in (morphology._kiwi, morphology._analyse_word, morphology.morphemes):
        cached.cache_clear()
