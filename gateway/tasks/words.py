"""The words of the page of URL checks in Russian: of its template, its scripts, and the refusals that it shows."""

RUSSIAN = {
    # the form
    "{n} URL|{n} URLs": "{n} ссылка|{n} ссылки|{n} ссылок",
    "Paste anything that has URLs in it": "Вставьте что угодно, где есть ссылки",
    "A list, a text, Markdown, HTML, CSV or a sitemap: at most {n} URLs": (
        "Список, текст, Markdown, HTML, CSV или карта сайта: до {n} ссылок"
    ),
    "Or a file": "Или файл",
    "Follow redirects": "Переходить по перенаправлениям",
    "Check": "Проверить",
    "Check other URLs": "Проверить другие ссылки",
    "There is no URL in this text.": "В этом тексте нет ссылок.",
    "There are {n} URLs. A task has at most {most}: paste them in {parts} parts.": (
        "Ссылок {n}, а в задаче их может быть до {most}: вставьте их по частям (частей: {parts})."
    ),
    "{n} repeat is left out|{n} repeats are left out": (
        "{n} повтор пропущен|{n} повтора пропущено|{n} повторов пропущено"
    ),
    "{n} line cannot be read|{n} lines cannot be read": (
        "Не читается {n} строка|Не читаются {n} строки|Не читаются {n} строк"
    ),
    "Nothing yet": "Пока ничего нет",
    "Paste URLs above, and see which of them answer.": "Вставьте ссылки выше и увидите, какие из них отвечают.",
    "Try an example": "Посмотреть на примере",
    # the task
    "Stop": "Остановить",
    "queued: none of {total} is known yet": "в очереди: из {total} пока ничего не известно",
    "{done} of {total}": "{done} из {total}",
    "{n} a second": "{n} в секунду",
    "{time} left": "осталось {time}",
    "stopped at {done} of {total}": "остановлено: {done} из {total}",
    "All {n} answer": "Отвечают все {n}",
    "It answers": "Отвечает",
    "All {n} are bad": "Все {n} плохие",
    "It is bad": "Ссылка плохая",
    "{bad} of {total} are bad": "Плохих: {bad} из {total}",
    "in {time}": "за {time}",
    "not known yet": "пока не известно",
    "There is no such task": "Такой задачи нет",
    "A task is kept for {time} after its end.": "Срок хранения задачи после её конца: {time}.",
    "{n} URL leads to an address that this gateway may not ask (PROBE_TARGETS).|"
    "{n} URLs lead to addresses that this gateway may not ask (PROBE_TARGETS).": (
        "{n} ссылка ведёт на адрес, который этому серверу запрещён (PROBE_TARGETS).|"
        "{n} ссылки ведут на адреса, которые этому серверу запрещены (PROBE_TARGETS).|"
        "{n} ссылок ведут на адреса, которые этому серверу запрещены (PROBE_TARGETS)."
    ),
    # the chips
    "Codes": "Коды",
    "All": "Все",
    "Bad": "Плохие",
    "No answer": "Без ответа",
    "Verdicts": "Выводы",
    "Moved": "Переехала",
    "Unsure": "Неясно",
    "Broken": "Сломана",
    "Invalid": "Неверная",
    "Fine": "В порядке",
    "Filter URLs": "Найти в ссылках",
    "Show": "Показать",
    # the pictures
    "Time to answer": "Время ответа",
    "half within {half}, 95 % within {most}, the slowest {slowest}": (
        "половина за {half}, 95 % за {most}, самый медленный — {slowest}"
    ),
    "Numbers": "Числа",
    "At most": "До",
    "Answers": "Ответов",
    "Domains, worst first": "Домены, сначала худшие",
    "Domains, most requested first": "Домены, сначала самые частые",
    "{bad} of {total} bad": "{bad} из {total} плохих",
    "{n} % bad": "{n} % плохих",
    "{n} % of the most": "{n} % от наибольшего",
    "{n} more": "и ещё {n}",
    "{n} % of the URLs that came to this gateway since its start were in the cache.": (
        "С запуска этого сервера {n} % ссылок нашлись в кэше."
    ),
    # the rows
    "Code": "Код",
    "URL": "Ссылка",
    "To / why": "Куда или почему",
    "Time": "Время",
    "Details": "Подробнее",
    "Verdict": "Вывод",
    "Reason": "Причина",
    "Leads to": "Ведёт на",
    "Attempts": "Попыток",
    "From the cache": "Из кэша",
    "yes": "да",
    "No URL matches": "Ничего не найдено",
    "Show all URLs": "Показать все ссылки",
    "Hundreds": "Сотни",
    "Previous": "Предыдущие",
    "Next": "Следующие",
    "{first} to {last} of {total}": "{first}–{last} из {total}",
    "Export": "Сохранить",
    "Check bad again": "Проверить плохие снова",
    "Check these again": "Проверить эти снова",
    "Recent": "Недавние",
    # times
    "{n} ms": "{n} мс",
    "{n} s": "{n} с",
    "{n} min": "{n} мин",
    "just now": "только что",
    "{n} min ago": "{n} мин назад",
    "{n} h ago": "{n} ч назад",
    "{n} day ago|{n} days ago": "{n} день назад|{n} дня назад|{n} дней назад",
    "{n} day|{n} days": "{n} день|{n} дня|{n} дней",
    "{n} hour|{n} hours": "{n} час|{n} часа|{n} часов",
    "{n} minute|{n} minutes": "{n} минута|{n} минуты|{n} минут",
    "{n} second|{n} seconds": "{n} секунда|{n} секунды|{n} секунд",
    # the scripts
    "The server cannot be reached. This is as of {time}.": "Сервер недоступен. Данные на {time}.",
    "Copied": "Скопировано",
    "The browser does not let this page copy.": "Браузер не даёт этой странице копировать.",
    # the keys
    "filter": "поиск в ссылках",
    "up and down the rows": "вверх и вниз по строкам",
    "open or close the details": "открыть или закрыть подробности",
    "open this URL": "открыть ссылку",
    "copy this URL": "скопировать ссылку",
    "all, bad, 2xx …": "все, плохие, 2xx …",
    "export as CSV": "сохранить как CSV",
    "check bad again": "проверить плохие снова",
    # the refusals
    "The queue is full for now. Try again in {n} s.": "Очередь заполнена. Повторите через {n} с.",
    "This is too large: {size} at most.": "Слишком много: можно до {size}.",
    "These are too many files at once.": "Файлов слишком много за один раз.",
    "There is no such URL in this task.": "Таких ссылок в этой задаче нет.",
    "Redis has no memory left for another task.": "У Redis нет памяти для новой задачи.",
    "Redis is away for now. What was sent before is not lost.": (
        "Redis сейчас недоступен. То, что было отправлено раньше, не потеряно."
    ),
}
