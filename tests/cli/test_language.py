"""Whose language the command line speaks: the acting person's, else the environment's, else the company's; and that it speaks it whole."""

from __future__ import annotations

import re

import pytest
import typer
from office import run
from test_command_line import commands, imported, process

from credit_review.model.records import Proposal, RiskKept
from credit_review.words import LANGUAGES
from deployments.cli import helping, language, main

CHINESE = "zh_CN.UTF-8"
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def lang(monkeypatch):
    """Sets the locale of the environment, as a shell would."""

    def use(value="", **others):
        for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name, raising=False)
        for name, one in {"LANG": value, **others}.items():
            if one:
                monkeypatch.setenv(name, one)

    return use


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_SG"}, "zh_CN"),
        ({"LANG": "zh_Hans_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "de_DE@euro"}, "en"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh_CN"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, ""),
        ({"LANG": "POSIX"}, ""),
        ({}, ""),
    ],
)
def test_the_environment_names_a_language_as_on_any_unix(environment, expected):
    assert language.named_by(environment) == expected


def test_a_persons_preference_beats_the_locale_and_the_locale_beats_the_company(office, lang):
    def greeting(who):
        return office.run("inbox", who=who).fine().out.splitlines()[0]

    english, chinese = "Mia Holm: 0 to release, 0 to decide", "Mia Holm：0 项待释放，0 项待决定"
    lang()
    assert greeting("p-manager").startswith(english)
    lang(CHINESE)
    assert greeting("p-manager").startswith(chinese)
    office.edit("settings.yaml", "language: en", "language: zh_CN")
    lang()
    assert greeting("p-manager").startswith(chinese), "nothing else says what to speak"
    lang("en_US.UTF-8")
    assert greeting("p-manager").startswith(english)
    said = office.run("people", "prefer", "--language", "zh_CN", "--time-zone", "Asia/Shanghai", who="p-manager").fine().out
    assert said == "Mia Holm 的阅读语言：zh_CN，时区：Asia/Shanghai\n", "she is answered as she asked to be"
    assert greeting("p-manager").startswith(chinese)
    assert "Frank Osei: " in greeting("p-cfo"), "only she is"
    office.run("people", "prefer", "--language", "en", who="p-cfo").fine()
    lang(CHINESE)
    assert "Frank Osei: " in greeting("p-cfo")


def test_a_company_may_only_choose_a_language_and_locale_there_is(office):
    office.edit("settings.yaml", "language: en", "language: xx")
    office.run("inbox", who="p-manager").refused(3, "settings.yaml line", "language", "unknown language 'xx'")


def test_data_for_scripts_and_the_record_stay_english(office, lang):
    lang()
    english = [office.run(*words, "--json", who=who).fine().out for words, who in ((("inbox",), "p-analyst"), (("review", "list"), ""))]
    lang(CHINESE)
    assert [office.run(*w, "--json", who=who).fine().out for w, who in ((("inbox",), "p-analyst"), (("review", "list"), ""))] == english
    key = office.waiting(way="down")[0]
    office.run("defer", key, "--until", "2026-12-01", "--reason", "audit under way", who="p-analyst").fine()
    assert not HAN.search(office.one(RiskKept, proposal_id=key).cause)


def test_a_proposal_is_read_and_decided_in_chinese(office, lang):
    lang(CHINESE)
    key = office.waiting(way="up", tier="T2")[0]
    listed = office.run("inbox", who="p-analyst").fine().out
    assert "待释放（credit-review release PROPOSAL...）" in listed and re.search(rf"{key} .* 上调 ", listed)
    office.run("release", key, "--amend", "60.000", "--reason", "旺季", who="p-analyst").refused(3, "'60.000' 不是金额", "应为：如 60000")
    released = office.run("release", key, "--comment", "新厂五月投产", who="p-analyst").fine().out
    assert released.startswith(f"{key} 已提交审批人：T2，需 1 个批准，至 2026年")
    lacks = office.run("decide", key, "approve", who="p-controller")
    assert lacks.code == 4 and lacks.out.startswith("未执行：您缺少 T2（Credit manager）权限；")
    office.run("decide", "p-none", "approve", who="p-manager").refused(3, "没有提案 p-none", "应为：`credit-review inbox` 中的编号")
    assert office.run("decide", key, "approve", who="p-manager").fine().out == "已批准（1/1），随后生效。\n"
    shown = office.run("show", key).fine().out
    for words in (
        "自担风险",
        "为何是此金额",
        "现行额度",
        "Anna Berg，说明：新厂五月投产",
        "Mia Holm 答复“批准”",
        "批准；T2，已获 1/1 个批准",
    ):
        assert words in shown, words
    assert re.search(r"^2026年10月1日 14:00 UTC\+2 Anna Berg 释放了此提案$", shown, re.M), shown
    assert office.one(Proposal, proposal_id=key).state == "approved"


def test_what_is_wrong_is_told_in_chinese_with_file_and_line(office, lang):
    lang(CHINESE)
    office.edit("settings.yaml", "time_zone:", "time_zonee:")
    done = office.run("inbox", who="p-manager")
    done.refused(3, "settings.yaml 第 ", "time_zonee：未知字段", "time_zone：缺失", "下一步：请更正 settings.yaml，然后重新运行命令")
    doctor = office.run("doctor")
    assert doctor.code == 3 and doctor.out.startswith("错误  设置：settings.yaml 第 ")


def test_doctor_finds_the_same_in_chinese(office, lang):
    lang(CHINESE)
    told = office.run("doctor").fine().out
    assert "正常  设置：" in told and "正常  人员：6 人启用" in told and "ok  " not in told


def test_usage_errors_are_told_in_the_environments_language(lang):
    lang(CHINESE)
    told = {
        ("decide",): "缺少参数 'PROPOSAL'。",
        ("review", "close", "r-1"): "缺少选项 '--statement'。",
        ("shw",): "没有命令 'shw'。是否想用 'show'？",
        ("inbox", "--jsn"): "没有选项 --jsn（可能是：--as, --json）",
        ("review", "run", "--as-of", "yesterday"): "'--as-of' 的值无效：'yesterday' 不符合格式 '%Y-%m-%d'。",
        ("request", "X", "--reason", "y", "--terms", "400"): "'--terms' 的值无效：不得大于 365",
        ("conditions", "confirm", "c-1", "--evidence", "x", "--file", "/nowhere"): "'--file' 的值无效：文件 '/nowhere' 不存在。",
    }
    for words, expected in told.items():
        done = run(*words)
        assert done.code == 2 and "用法：credit-review" in done.err and expected in done.err, (words, done.err)


def test_help_is_chinese_throughout(lang):
    lang(CHINESE)
    shown = run("--help").fine().out
    assert "用法：credit-review [选项] 命令" in shown and "退出码：0 完成" in " ".join(shown.split())
    for words, command in commands():
        page = "".join(run(*words.split(), "--help").fine().out.split())
        english = ["".join(p.help.split()) for p in command.params] + ["".join(command.help.split()), "Options", "Usage:"]
        assert HAN.search(page) and not [text for text in english if text in page], words


def test_every_text_of_the_command_tree_is_translated_and_the_tree_of_others_stays_english(lang):
    lang(CHINESE)
    run("--help").fine()
    lang()
    shown = run("--help").fine().out
    assert "Usage: credit-review [OPTIONS] COMMAND [ARGS]..." in shown and not HAN.search(shown)
    texts = [text for one in helping._tree(typer.main.get_command(main.app)) for _, _, text in helping._texts(one)]
    assert len(texts) > 200


def test_help_in_chinese_starts_without_anything_heavy(lang):
    lang(CHINESE)
    found, shown = imported("review", "--help")
    assert found == set() and "用法：credit-review review" in shown


def test_a_terminal_of_another_alphabet_gets_escapes_and_no_traceback(lang, tmp_path):
    done = process("inbox", "-c", str(tmp_path), LC_ALL="zh_CN.UTF-8", PYTHONIOENCODING="latin-1")
    assert done.returncode == 3 and "settings.yaml" in done.stderr and "\\u" in done.stderr and "Traceback" not in done.stderr


def test_languages_are_those_the_help_of_prefer_names():
    (text,) = [p.help for words, c in commands() if words == "people prefer" for p in c.params if p.name == "language"]
    assert all(name in text for name in LANGUAGES)
