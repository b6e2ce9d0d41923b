"""Lines that stand on pages and say nothing: cookie notes, menus, `read more`, and lines that a document repeats."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from acclimate.corpus.clean.han import is_chinese
from acclimate.corpus.document import Cleaned, Cleaner, Document, Dropped
from acclimate.recipe.settings import Component
from acclimate.recipe.units import Count

_ENGLISH = re.compile(
    r"cookies?\b.*\b(?:use|accept|consent|policy|settings|site|website|browser)"
    r"|\b(?:accept|use|manage)s?\b.*\bcookies?\b"
    r"|\b(?:privacy (?:policy|notice)|terms (?:of (?:use|service)|and conditions)|all rights reserved|copyright ©?|©)"
    r"|^(?:read|learn|see|show|view|load) (?:more|all|the full|full|less)\b.{0,40}$|^continue reading\b"
    r"|^(?:click|tap) here\b|^share:?$|^(?:facebook|twitter|pinterest|linkedin)\b"
    r"|^(?:share|follow|tweet|pin|print|email|like) (?:this|us|on|to|via|it)\b"
    r"|^(?:please )?(?:sign|log) ?(?:up|in|out)\b.{0,60}$|^subscribe\b|\bour newsletter\b"
    r"|^(?:skip to|jump to|back to top|go to top)\b"
    r"|^(?:leave a (?:reply|comment)|post a comment|comments? (?:are )?(?:off|closed|\(\d+\))|\d+ comments?)"
    r"|^(?:related|recommended|popular|more|latest|trending) "
    r"(?:articles?|posts?|stories|news|reading|topics?|videos?|from)\b.{0,40}$"
    r"|^(?:home|about(?: us)?|contact(?: us)?|menu|search|next|previous|advertisement|sponsored)$"
    r"|^(?:next|previous) (?:post|article|page|story)\b"
    r"|\bjavascript\b.*\b(?:enable|disabled|required|browser)\b|\b(?:enable|turn on)\b.*\bjavascript\b"
    r"|^(?:tags?|categor(?:y|ies)|filed under|posted (?:in|by|on)):? .{0,60}$",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"cookie|版权所有|版權所有|禁止转载|转载请(?:注明|联系)|轉載請|未经.{0,12}(?:许可|授权|允许)|未經.{0,12}(?:許可|授權|允許)"
    r"|(?:点击|點擊|戳|长按|長按|扫描|掃描|扫一扫|掃一掃|识别).{0,16}"
    r"(?:查看|阅读|閱讀|进入|進入|下载|下載|关注|關注|二维码|二維碼|更多|原文|链接)"
    r"|^(?:阅读|閱讀|查看|展开|展開|显示|加载)(?:全文|更多|原文|详情|全部)|^(?:上|下)一(?:篇|页|頁|章|条)"
    r"|返回(?:顶部|首页|頂部|首頁|列表|目录)"
    r"|^[（(]?(?:责任编辑|責任編輯|编辑|责编|責編|本文来源|文章来源|来源|來源|作者|记者|記者)[:：丨|].{0,30}[）)]?$"
    r"|^分享(?:到|至|给|按钮)?$|^分享(?:到|至|给)|^(?:共|已有).{0,8}条评论"
    r"|^(?:收藏|点赞|點讚|评论|評論|转发|举报|打印|关闭|關閉)(?:本[页文站]|[(（]\d*[)）])?$"
    r"|(?:登录|登錄|登入|注册|註冊).{0,12}(?:注册|註冊|登录|后|後|账号|会员|忘记密码)"
    r"|^(?:首页|首頁|登录|注册|设为首页|加入收藏|联系我们|聯絡我們|关于我们|關於我們|网站地图|友情链接)"
    r"|(?:关注|關注|订阅|訂閱).{0,12}(?:我们|我們|公众号|公眾號|微信|微博)|[京沪粤浙苏津渝川鲁闽湘鄂皖豫冀晋陕]ICP[备证]"
    r"|公网安备|违法和不良信息举报|隐私(?:政策|声明)|隱私權|免责声明|免責聲明|服务条款|(?:打开|下载|下載)(?:app|客户端|客戶端)"
    r"|^(?:相关|相關|热门|熱門|推荐|推薦|精彩|猜你喜欢|最新|延伸|更多)"
    r"(?:阅读|閱讀|推荐|推薦|文章|新闻|新聞|资讯|内容|精彩)?[:：]?$|^(?:标签|標籤|关键词|分类)[:：]|^(?:广告|廣告)$",
    re.IGNORECASE,
)
_MOST_ENGLISH, _MOST_CHINESE = 160, 60
"""A longer line is prose that mentions such things."""


class Boilerplate(Component):
    """Takes out lines that are typical of pages' furniture, and lines that the document repeats.

    Typical are short lines about cookies, rights, logging in, sharing and reading on, in English and Chinese;
    the lists are ours. What has no line left is dropped by reason `boilerplate`; documents that lost lines are
    counted as `boilerplate`. Each document is judged alone: what repeats across the documents of a source is
    found by `deduplicate`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("cleaner", "boilerplate")

    typical: bool = True
    """Whether typical lines go."""
    max_repeats: Count = Field(default=1, ge=1)
    """How often the same line may stand in a document; the first ones stay."""
    min_repeated: Count = 8
    """Only lines of at least this many characters count as repeats: verses and tables repeat short ones."""

    def build(self) -> Cleaner:
        def clean(documents: list[Document]) -> Cleaned:
            cleaned = Cleaned()
            for document in documents:
                lines = document.text.split("\n")
                kept = self._kept(lines, is_chinese(document.text))
                if len(kept) == len(lines):
                    cleaned.documents.append(document)
                elif any(line and not line.isspace() for line in kept):
                    cleaned.change(document, "\n".join(kept).strip(), "boilerplate")
                else:
                    detail = f"all of its {len(lines)} lines are furniture, such as {lines[0].strip()[:60]!r}"
                    cleaned.dropped.append(Dropped("boilerplate", document.place, detail))
            return cleaned

        return clean

    def _kept(self, lines: list[str], chinese: bool) -> list[str]:
        if self.typical:
            most, pattern = (_MOST_CHINESE, _CHINESE) if chinese else (_MOST_ENGLISH, _ENGLISH)
            lines = [line for line in lines if not (0 < len(line) <= most and pattern.search(line.strip()))]
        if len(set(lines)) == len(lines):
            return lines
        seen: dict[str, int] = {}
        kept: list[str] = []
        for line in lines:
            key = line.strip()
            if len(key) >= self.min_repeated:
                seen[key] = seen.get(key, 0) + 1
                if seen[key] > self.max_repeats:
                    continue
            kept.append(line)
        return kept
