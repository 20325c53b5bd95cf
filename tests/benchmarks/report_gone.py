"""A plugin that takes the folder of --report away after the last test, before the report is written."""

import shutil


def pytest_sessionfinish(session):
    folder = session.config.option.report
    shutil.rmtree(folder)
    folder.write_text("", encoding="utf-8")
