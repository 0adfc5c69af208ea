"""The words of the frame in Russian, and those that every page can say."""

RUSSIAN = {
    # the bar
    "Skip to the content": "К содержанию",
    "Pages": "Страницы",
    "Audio": "Аудио",
    "URLs": "Ссылки",
    "Light or dark": "Светлая или тёмная тема",
    "Keyboard": "Клавиши",
    # the notices
    "Dismiss": "Скрыть",
    "The server cannot be reached.": "Сервер недоступен.",
    "The server answered {status}.": "Сервер ответил {status}.",
    # the keys
    "close, clear": "закрыть, очистить",
    "this help": "эта подсказка",
    "Close": "Закрыть",
    # the page of an error
    "Page not found": "Страница не найдена",
    "There is nothing at this address.": "По этому адресу ничего нет.",
    "This cannot be done here": "Здесь так нельзя",
    "This address is not for what was sent.": "Этот адрес не принимает то, что отправлено.",
    "Something went wrong": "Что-то пошло не так",
    "Something went wrong here; it is in the log.": "На сервере произошла ошибка; она записана в журнал.",
    "Not available for now": "Сейчас недоступно",
    "Try again in a moment.": "Попробуйте чуть позже.",
    "To the start": "На главную",
    "Request {id}": "Запрос {id}",
    # the refusals of every page
    "This call needs the token of this server.": "Нужен пароль этого сервера.",
    "Writes from another site are refused.": "Запись с другого сайта запрещена.",
}
