"""Headlines without their newspapers' habits: tags, outlets, quotes, hanja, number styles. Pure."""

from __future__ import annotations

import re
import unicodedata

# A number and what it counts: ("억", 1462.0, 0 decimals written).
Figure = tuple[str, float, int]

_TAG = re.compile(
    r"\[[^\[\]]{1,20}\]|【[^【】]{1,20}】|<[^<>]{1,20}>|〈[^〈〉]{1,20}〉|《[^《》]{1,8}》|\([^()]{1,20}\)"
)
_OUTLET = re.compile(r"\s(?:[-–—|ㅣ:]|::)\s[^-–—|ㅣ:,…]{2,14}$|\s?=\s?[가-힣]{2,8}$")
_QUOTED = re.compile(r"""["“”'‘’「『][^"“”'‘’「」『』]{2,40}["“”'‘’」』]""")
_LOOSE_DOT = re.compile(r"(?<!\d)\.|\.(?!\d)")
_THOUSANDS = re.compile(r"(?<=\d)(?:,|천\s?(?=\d{3}))(?=\d{3})")  # 1,462 and 1천462
_UNITS = "조|억|만|천|%|분기|년|월|일|주차|개|명|배|위|건|p|원|달러|호|회|차|세|시|곳|석|척|대|종|kg|t"
_FIGURE = re.compile(rf"(\d+(?:\.\d+)?)\s?({_UNITS})?")

# Newspapers' shorthand and the word a reader puts in its place.
_HANJA = """
美미국 中중국 日일본 韓한국 北북한 英영국 獨독일 佛프랑스 伊이탈리아 印인도 露러시아 濠호주 臺대만 與여당
野야당 前전 新신 現현 故고 對대 反반 脫탈 超초 高고 低저 無무 大대 小소 全전 硏연구원 證증권 銀은행 外외
社사 比대비 株주 車차 電전자 重중공업 檢검찰 警경찰 軍군 靑청와대 女여 男남 李이 金김 朴박 尹윤 文문 安안
崔최 鄭정 年년 月월 億억 兆조 萬만 千천 發발 說설 式식 號호 强강 弱약 急급 法법 百백화점 ↑상승 ↓하락
"""


class _Alphabet(dict[int, str]):
    """What str.translate makes of a character: hanja spelled out, letters small, marks blank; learnt as met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code).lower()
        kept = (letter.isascii() and (letter.isalnum() or letter in "%+.&")) or "가" <= letter <= "힣"
        meant = letter if kept else " "
        if code < 0x10000:  # what Korean news is written in; a hostile text cannot fill the memory
            self[code] = meant
        return meant


_ALPHABET = _Alphabet({ord(entry[0]): entry[1:] for entry in _HANJA.split()})

# One spelling for what newspapers write in several.
_SPELLINGS = {
    "영업이익": "영업익", "목표주가": "목표가", "지난해": "작년", "엘지": "lg", "lgu+": "lg유플러스",
    "s oil": "에쓰오일", "에스케이": "sk", "씨제이": "cj", "밸런타인": "발렌타인", "콘텐트": "콘텐츠",
    "다큐멘터리": "다큐", "광역시": "시", "생활건강": "생건", "이익률": "익률", "1q": "1분기",
    "2q": "2분기", "3q": "3분기", "4q": "4분기",
}  # fmt: skip
_SPELLED = re.compile("|".join(map(re.escape, _SPELLINGS)))

_STOCK_PHRASES = """
영업익 영업손실 매출 매출액 순이익 순손실 당기순이익 실적 분기 반기 상반기 하반기 전년 동기 대비 전년비
작년 올해 내년 연속 기록 달성 돌파 경신 증가 감소 급증 급감 상승 하락 급등 급락 강세 약세 마감 출발 반등
흑자 적자 전환 확대 축소 사상 역대 최대 최고 최저 최초 신고가 신저가 장중 주가 특징주 목표가 상향 하향
투자의견 매수 유지 증권 전망 기대 개선 성장 호조 부진 개최 진행 실시 선정 출시 공개 참가 추진 체결 협약
업무협약 강화 운영 지원 발표 결정 규모 취득 처분 소각 자사주 신탁계약 공급계약 수주 계약 유상증자 무상증자
전환사채 발행 배당 결산 공시 지분 인수 매각 설립 착공 준공 오픈 개시 개장 론칭 행사 프로모션 이벤트 할인
판매 한정 기념 맞아 맞이 신제품 선봬 선보여 나선다 나서 밝혀 밝혔다 위한 위해 통해 대상 수상 표창 기부
전달 나눔 봉사 후원 캠페인 모집 채용 임명 선임 취임 대표 신임 대표이사 회장 사장 인사 부고 동정 오늘의
오늘 이번주 주차 주간 시황 코스피 코스닥 시총 거래량 외국인 기관 순매수 순매도 상장 청약 경쟁률 공모가
국내 글로벌 해외 시장 사업 브랜드 평판 서비스 고객 제품 기업 그룹 억원 만원 조원 달러 규제 점검 간담회
설명회 세미나 포럼 교육 프로그램 참여 성료 임상 승인 허가 특허 인증 획득 품목 공개매수 상한가 하한가 어닝
서프라이즈 쇼크 흥행 완판 누적 가입자 돌입 박차 가속 본격 본격화 앞장 잇따라 관련 이어
"""
# Character bigrams of what headlines are built from: titles that share only these tell different stories.
STOCK = frozenset(word[i : i + 2] for word in _STOCK_PHRASES.split() for i in range(len(word) - 1))

_COMPANY = re.compile(
    r"[a-z0-9가-힣&]{1,12}?(?:"
    r"은행|증권|금융|카드|캐피탈|보험|손보|생명|화재|운용|전자|전기|전선|화학|케미칼|정유|제약|바이오"
    r"|건설|중공업|조선|해운|항공|제철|철강|스틸|그룹|홀딩스|지주|텔레콤|통신|에너지|솔루션|쇼핑|백화점"
    r"|마트|호텔|리조트|산업|물산|상사|식품|푸드|엔터|게임즈|소프트|테크|시스템|디스플레이|이노텍"
    r"|로보틱스|모빌리티|페이|뱅크|타이어|자동차|모비스|글로비스|머티리얼즈"
    r")"
)
# Towns, provinces and countries whose names are no other word too (경기 and 인도 are).
_PLACE = re.compile(
    r"(?<![가-힣])(?:"
    r"서울|부산|대구|인천|대전|울산|세종|수원|성남|용인|평택|판교|송도|과천|안양|파주|김포|청주"
    r"|천안|아산|서산|당진|군산|익산|여수|광양|목포|순천|창원|거제|김해|포항|춘천|원주"
    r"|강릉|제주|강원|충북|충남|전북|전남|경북|경남|미국|중국|일본|대만|홍콩|인도네시아"
    r"|베트남|태국|싱가포르|말레이시아|필리핀|호주|영국|독일|프랑스|이탈리아|스페인|폴란드|헝가리"
    r"|튀르키예|러시아|브라질|멕시코|캐나다|사우디|이집트"
    r")"
)
_SISTERS = """
홀딩스 지주 생명 화재 캐피탈 중공업 에너지 솔루션 건설 화학 케미칼 제약 바이오 물산 상사 전기 오션 시스템
모빌리티 페이 뱅크 게임즈 엔터 머티리얼즈 퓨처엠 인터내셔널 이노베이션 로보틱스 에어로 일렉트릭 텔레콤
헬스케어
"""
# What sets a company apart from a sister whose name begins alike.
SISTERS = tuple(_SISTERS.split())
_PARTICLE = re.compile(r"(?<=[가-힣a-z0-9]{2})(?:에서|까지|부터|은|는|이|가|을|를|의|에|도|와|과)$")

_COLUMN = re.compile(
    r"인사|부고|동정|게시판|시황|오늘의|이번 ?주|주요 ?(?:뉴스|일정|공시)|헤드라인|운세|날씨|단신"
    r"|브리핑|포토|사진|사설|만평|칼럼|특징주|핫종목|국장|마켓|장 ?마감|\b마감\]|개장"
    r"|금시세|신간|일정|(?:^|\s)(?:外|외)$"
)


def is_column(title: str) -> bool:
    """Whether a title is that of a recurring column or a round-up, which says little of what is in it."""
    return _COLUMN.search(title) is not None


def normalise_title(title: str) -> str:
    """What a headline says: lower case, one blank between words, no tags, outlet, quotes or other marks.

    A title that is all tag keeps what the tag says.
    """
    title = unicodedata.normalize("NFKC", title)
    return normalise(_OUTLET.sub("", _TAG.sub(" ", title))) or normalise(title)


def normalise(text: str) -> str:
    """Lower case, one blank between words; hanja and shorthand spelled out, numbers in one style."""
    text = _LOOSE_DOT.sub(" ", _THOUSANDS.sub("", text).translate(_ALPHABET))
    return " ".join(_SPELLED.sub(lambda found: _SPELLINGS[found[0]], text).split())


def find_subject(title: str) -> str:
    """The word a headline opens with, nearly always whom it is about, past quotes and figures; else ''."""
    words = normalise(_QUOTED.sub(" ", _TAG.sub(" ", unicodedata.normalize("NFKC", title)))).split()
    return next((_PARTICLE.sub("", word) for word in words if len(word) > 1 and not word[0].isdigit()), "")


def find_companies(words: str) -> frozenset[str]:
    """The words of a normalised title that end as companies' names do."""
    return frozenset(_COMPANY.findall(words))


def find_places(words: str) -> frozenset[str]:
    """The towns, provinces and countries a normalised title names."""
    return frozenset(_PLACE.findall(words))


def find_figures(words: str) -> frozenset[Figure]:
    """The numbers of a normalised text with their units ('' where none is known)."""
    return frozenset([(unit, float(digits), len(digits.partition(".")[2])) for digits, unit in _FIGURE.findall(words)])
