"""What the page says, in the languages it speaks: the one table, the forms of counted words, sizes and lengths.

English stands where it is said and is its own key, so a sentence without an entry is shown as it is. Also the
sentences of errors are keys: the API says them in English, the page in its reader's language. The refusal
`Non-audio file detected` has no entry: it is the same in every language. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

LANGUAGES = ("en", "ru")
"""The first is the default."""

RUSSIAN = {
    "Gateway audio": "Gateway аудио",
    # the bar
    "Search": "Поиск",
    "Search names and tags": "Поиск по именам и тегам",
    "Order": "Порядок",
    "Show": "Показать",
    "Newest first": "Сначала новые",
    "By name": "По имени",
    "Longest first": "Сначала длинные",
    "Largest first": "Сначала большие",
    "Light or dark": "Светлая или тёмная тема",
    "Keyboard": "Клавиши",
    # the form and the uploads
    "Upload": "Загрузить",
    "Drop audio here, or": "Перетащите аудио сюда или",
    "Choose files": "Выберите файлы",
    "mp3, ogg, flac, wav, m4a and more, up to {size} each": "mp3, ogg, flac, wav, m4a и другие, до {size} каждый",
    "Uploads": "Загрузки",
    "Waiting": "В очереди",
    "Saving": "Сохраняется",
    "Cancel": "Отменить",
    "Cancel all": "Отменить все",
    "Uploading {name}": "Загружается {name}",
    "Try again": "Повторить",
    "Added": "Добавлено",
    "{n} file added|{n} files added": "Добавлен {n} файл|Добавлено {n} файла|Добавлено {n} файлов",
    "{n} more added": "Добавлено ещё: {n}",
    "Try again to keep it as {name}.": "Повторите, чтобы сохранить его как {name}.",
    "Left out: {what}": "Пропущено: {what}",
    "{n} hidden file|{n} hidden files": "{n} скрытый файл|{n} скрытых файла|{n} скрытых файлов",
    "{n} hidden folder|{n} hidden folders": "{n} скрытая папка|{n} скрытые папки|{n} скрытых папок",
    "{n} empty folder|{n} empty folders": "{n} пустая папка|{n} пустые папки|{n} пустых папок",
    "{n} unreadable|{n} unreadable": "{n} не читается|{n} не читаются|{n} не читаются",
    "Dismiss": "Скрыть",
    "Dismiss messages": "Скрыть сообщения",
    "Too large": "Слишком большой",
    "It was not kept. A file may have {size}.": "Файл не сохранён. Размер файла — до {size}.",
    "Nothing was kept. One upload may have {size}.": "Ничего не сохранено. Размер одной загрузки — до {size}.",
    "It was not kept. Its content decides, not its name.": "Файл не сохранён. Важно содержимое, а не имя.",
    "It was not replaced. Give the new file another name.": "Старый файл остался. Дайте новому другое имя.",
    "It was not kept. Make room and try again.": "Файл не сохранён. Освободите место и повторите.",
    "The server cannot be reached, or the file cannot be read.": "Сервер недоступен, или файл не читается.",
    "The server cannot be reached.": "Сервер недоступен.",
    "The server cannot be reached. The list may be out of date.": "Сервер недоступен. Список мог устареть.",
    "The upload broke off.": "Загрузка прервалась.",
    "The server answered {status}.": "Сервер ответил {status}.",
    # the list
    "Audio files": "Аудиофайлы",
    "Play {name}": "Слушать {name}",
    "Download": "Скачать",
    "Download {name}": "Скачать {name}",
    "Delete": "Удалить",
    "Delete {name}": "Удалить {name}",
    "deleted": "удалён",
    "was not deleted.": "не удалён.",
    "{n} file deleted|{n} files deleted": "Удалён {n} файл|Удалено {n} файла|Удалено {n} файлов",
    "{n} file was not deleted.|{n} files were not deleted.": (
        "Не удалён {n} файл.|Не удалено {n} файла.|Не удалено {n} файлов."
    ),
    "{n} file is no longer there.|{n} files are no longer there.": (
        "Больше не существует {n} файл.|Больше не существуют {n} файла.|Больше не существуют {n} файлов."
    ),
    "Undo": "Вернуть",
    "{n} file|{n} files": "{n} файл|{n} файла|{n} файлов",
    "of {n}": "из {n}",
    "Nothing matches": "Ничего не найдено:",
    "Show all files": "Показать все файлы",
    "No audio yet": "Пока ничего нет",
    "Drop files anywhere on this page, or choose them above. They appear here, ready to play.": (
        "Перетащите файлы на страницу или выберите их выше. Они появятся здесь, готовые к прослушиванию."
    ),
    # the player
    "Player": "Плеер",
    "Play": "Слушать",
    "Pause": "Пауза",
    "Previous": "Предыдущий",
    "Next": "Следующий",
    "Seek": "Перемотка",
    "{time} of {length}": "{time} из {length}",
    "Volume": "Громкость",
    "Mute": "Без звука",
    "cannot be played by this browser.": "не воспроизводится в этом браузере.",
    "is no longer there.": "больше не существует.",
    "mono": "моно",
    "stereo": "стерео",
    "{n} channel|{n} channels": "{n} канал|{n} канала|{n} каналов",
    "{n} kbit/s": "{n} кбит/с",
    "{n} kHz": "{n} кГц",
    # the keys
    "Space": "Пробел",
    "play, pause": "слушать, пауза",
    "5 seconds back, ahead": "5 секунд назад, вперёд",
    "up and down the list": "вверх и вниз по списку",
    "play this file": "слушать этот файл",
    "previous, next file": "предыдущий, следующий файл",
    "search": "поиск",
    "delete this file": "удалить этот файл",
    "undo the last deletion": "вернуть последний удалённый",
    "close, clear": "закрыть, очистить",
    "this help": "эта подсказка",
    "Close": "Закрыть",
    # what the library says
    "A file of this name already exists.": "Файл с таким именем уже есть.",
    "There is no audio file of this name.": "Аудиофайла с таким именем нет.",
    "There is no space left for this file.": "Для этого файла не осталось места.",
    "The audio folder cannot be used for now.": "Папка с аудио сейчас недоступна.",
    "A file name must not be empty or begin with a dot.": "Имя не может быть пустым или начинаться с точки.",
    "A file name must be UTF-8 without slashes and control characters.": (
        "Имя должно быть в UTF-8, без «/» и управляющих символов."
    ),
    "The names in a form must be UTF-8.": "Имена в форме должны быть в UTF-8.",
    "The name of the file is encoded in a way that cannot be read.": "Имя файла закодировано непонятным образом.",
    "A file name must not be longer than 255 bytes of UTF-8.": "Имя не может быть длиннее 255 байт в UTF-8.",
    "The form has no file in its field `file`.": "Файл не выбран.",
    "The form is malformed or breaks off.": "Загрузка прервалась.",
    "The body ended before its Content-Length.": "Загрузка прервалась.",
    "What stood behind this file in the form was not read.": "Файлы после этого не загружены.",
    "This call needs the token of this server.": "Нужен пароль этого сервера.",
    "Writes from another site are refused.": "Запись с другого сайта запрещена.",
}
_UNITS = {"en": ("B", "kB", "MB", "GB", "TB"), "ru": ("Б", "кБ", "МБ", "ГБ", "ТБ")}


@dataclass(frozen=True)
class Translator:
    """One language: `words("Search")`, `words("of {n}", n=3)`."""

    language: str

    @property
    def table(self) -> dict[str, str]:
        """What differs from English."""
        return RUSSIAN if self.language == "ru" else {}

    def __call__(self, text: str, **values: object) -> str:
        """The sentence, with its values."""
        text = self.table.get(text, text)
        return text.format(**values) if values else text

    def count(self, number: int, forms: str) -> str:
        """A counted word, `{n} file|{n} files`, in the form of its number (Unicode CLDR, plural rules)."""
        choices = self.table.get(forms, forms).split("|")
        if self.language == "ru":
            ends_in, teens = number % 10, 10 < number % 100 < 20
            at = 0 if ends_in == 1 and not teens else 1 if 2 <= ends_in <= 4 and not teens else 2
        else:
            at = 0 if number == 1 else 1
        return choices[min(at, len(choices) - 1)].format(n=number)

    def size(self, size_bytes: int) -> str:
        """A size in decimal units with two or three figures: 640 kB, 7.4 MB."""
        size, units = float(size_bytes), list(_UNITS[self.language])
        while size >= 999.5 and len(units) > 1:
            size /= 1000
            del units[0]
        figure = f"{size:.1f}" if size < 9.95 and len(units) < len(_UNITS[self.language]) else f"{size:.0f}"
        return f"{figure.replace('.', ',') if self.language == 'ru' else figure} {units[0]}"


def choose_translator(asked: Iterable[tuple[str, float]]) -> Translator:
    """The words for the languages of an Accept-Language header, (tag, quality) with the best first."""
    for tag, quality in asked:
        language = tag.lower().partition("-")[0]
        if language in LANGUAGES and quality > 0:
            return Translator(language)
    return Translator(LANGUAGES[0])


def format_duration(duration_s: float | None) -> str:
    """A length as people write it: 0:07, 3:12, 1:02:03; a dash if it is not known."""
    if duration_s is None:
        return "–"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
