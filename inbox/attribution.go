package inbox

import (
	"slices"
	"strings"
	"unicode"
)

// wroteWords say "wrote" in the line above a quotation, as mail programs word
// it in their users' languages; some say "message of" or "from" instead.
var wroteWords = []string{
	"wrote", "schrieb", "écrit", "escribió", "ha scritto", "escreveu", "schreef", "pisze", "napisał", "написал", "пишет",
	"пише", "написав", "yazdı", "كتب", "napsal", "napísal", "írta", "a scris", "написа", "napisao", "napisala", "napisal",
	"напиша", "έγραψε", "kirjoitti", "kirjutas", "rakstīja", "rašė", "skrev", "skrifaði", "missatge de", "va escriure",
	"idatzi", "escribiu", "מאת", "כתב", "نوشت", "لکھا", "लिखा", "লিখেছেন", "எழுதியது", "เขียนว่า", "작성", "님이", "書きました",
	"のメール", "写道", "寫道", "viết", "menulis", "sumulat", "aliandika", "geskryf", "shkroi", "დაწერა", "գրել", "жазды",
	"напісаў", "напісала", "scríobh", "ysgrifennodd", "kiteb", "kitbet",
}

var (
	clock = expression(`\p{Nd}:\p{Nd}\p{Nd}|\b(klo|kl\.?|pukul|kell) ?\d\d?\.\d\d`)
	// zoned is how mail.ru words it: a time with its zone, "from" and a name.
	zoned = expression(`[+-]\d\d:\d\d от \S`)
	colon = expression(`[:：՝][\x{200e}\x{200f}\x{202a}-\x{202e}]*\s*$`)
)

// wroteAt knows an attribution without an address by its time of day, its word
// for "wrote" and the colon at its end. A sentence of the writer's that names a
// day and ends so names no hour.
func wroteAt(line string) bool {
	return colon().MatchString(line) && clock().MatchString(line) && (saysWrote(line) || zoned().MatchString(line))
}

func saysWrote(line string) bool {
	line = strings.ToLower(line)
	return slices.ContainsFunc(wroteWords, func(word string) bool { return strings.Contains(line, word) })
}

// beginsAttribution tells whether a broken attribution can begin with the line.
func beginsAttribution(line string) bool {
	return strings.ContainsFunc(line, unicode.IsDigit) || saysWrote(line)
}

// fromNames and subjectNames are how the first and the last line of a copied
// header begin where it gives names and no addresses.
var (
	fromNames = expression(`(?i)^[\s*>]*(from|von|de|da|van|od|от|від|ад|gönderen|kimden|من|odesílatel|odosielateľ|feladó|de la|expeditor|από|lähettäjä|från|fra|frá|` +
		`מאת|از|差出人|发件人|寄件者|寄件人|보낸 ?사람|จาก|từ|प्रेषक|šalje|pošiljatelj|шаље|pošilja|nuo|no|saatja|dari|daripada|mula kay|nga|nork|ó|oddi wrth|minn)\*?\s?[:：]`)
	subjectNames = expression(`(?i)^[\s*>]*(subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|тема|тэма|konu|الموضوع|předmět|predmet|предмет|tárgy|subiect|θέμα|aihe|ämne|emne|efni|` +
		`נושא|موضوع|件名|主题|主旨|제목|เรื่อง|chủ đề|विषय|zadeva|teema|tema|tēma|temats|assumpte|gaia|perihal|subjek|paksa|subjekti|mövzu|ábhar|pwnc|suġġett)\*?\s?[:：]`)
)

// namedHeader tells whether the fields are those of a copied header whatever
// they hold: it begins with who wrote, and says about what.
func namedHeader(fields []string) bool {
	return len(fields) > 0 && fromNames().MatchString(fields[0]) && slices.ContainsFunc(fields, subjectNames().MatchString)
}
