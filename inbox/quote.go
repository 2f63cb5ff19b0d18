package inbox

import (
	"strings"
)

// split finds the text of the mail and cuts it into what its writer wrote and
// what they quoted.
func (m *Mail) split() {
	plain, rich := m.bodies()
	htmlOwn, htmlQuoted := "", ""
	if rich != "" {
		htmlOwn, htmlQuoted = htmlText(rich)
	}
	text := plain
	if strings.TrimSpace(plain) == "" {
		text = htmlOwn
	}
	m.Text, m.Quoted = splitQuote(text)
	m.Quoted = join(m.Quoted, htmlQuoted)
	if len(m.Text) > maxText {
		m.Text = m.Text[:maxText]
	}
}

// bodies gives the first text and the first HTML that are no attachments.
func (m *Mail) bodies() (plain, rich string) {
	for _, p := range m.Parts {
		disposition := strings.ToLower(p.Header.Get("Content-Disposition"))
		if strings.HasPrefix(disposition, "attachment") || len(p.Content) == 0 {
			continue
		}
		content := strings.ToValidUTF8(string(p.Content[:min(len(p.Content), maxText)]), "\uFFFD")
		switch {
		case (p.Type == "text/plain" || p.Type == "") && plain == "" && looksHTML(content):
			rich = content
		case (p.Type == "text/plain" || p.Type == "") && plain == "":
			plain = content
		case p.Type == "text/html" && rich == "":
			rich = content
		}
	}
	return plain, rich
}

func looksHTML(text string) bool {
	start := strings.ToLower(strings.TrimSpace(text[:min(len(text), 200)]))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

var (
	separator = expression(`^[ \t>]*(-{2,}|_{2,}|\*{2,}|={2,}) ?[\p{L}][^\r\n]{3,60} ?(-{2,}|_{2,}|\*{2,}|={2,})\s*$|^_{20,}\s*$|^-{20,}\s*$`)
	// attribution: "On 3 March 2025 at 10:12, Anna <anna@example.com> wrote:" in any
	// language: a date, an address and a colon at the end.
	attribution = expression(`\p{Nd}.*[<(\[]\S+@\S+[>)\]].{0,40}[:：]\s*$|^.{0,80}[<(\[]\S+@\S+[>)\]].*\p{Nd}{4}.{0,60}[:：]\s*$`)
	// wrote: the same without an address, in the languages of the phrase lists.
	wrote       = expression(`(?i)^\s*(on|am|le|el)\s.{0,120}\d.{0,120}\b(wrote|schrieb|a écrit|escribió)\b.{0,80}[:：]\s*$`)
	headerField = expression(`^[\s*>]*[\p{L}][\p{L}\p{M} .'-]{0,24}\*?\s?[:：]\*?\s*\S`)
	// footer: the line of advertisement that a program puts below what its user
	// wrote, as telephones do.
	footer = expression(`(?i)^\s*(sent (from|with|via|by|using) (my|the|yahoo|outlook|mail|proton|samsung|an?|iphone|gmail|android|blackberry|mobile)|get outlook for|sent through|` +
		`von meinem? .{1,40} (gesendet|geschickt)|gesendet (mit|von|aus|über|via)|diese nachricht wurde von meinem|outlook für|` +
		`envoy[ée]e? (de(puis)?|avec|via|à partir) |provenance : courrier|obtenir outlook|télécharger outlook|` +
		`enviad[oa] (desde|do|de|a partir|com|con|via) |obt[ée][nm] o? ?outlook|obtener outlook|` +
		`inviato (da|dal|con|tramite) |scarica outlook|ottieni outlook|` +
		`(verstuurd|verzonden) (vanaf|met|via|van) |outlook voor|` +
		`wysłan[oe] z|отправлено (с|из)|надіслано|skickat från|sendt fra|lähetetty|odesláno z|odoslané z|trimis de pe|iphone.?umdan|.{0,20}den gönderildi|poslano (s|z)|από (το|την) .{1,20}στάλθηκε|` +
		`begin forwarded message|anfang der weitergeleiteten|début du (message|mail) (transféré|réexpédié)|inicio del mensaje reenviado|inizio messaggio inoltrato|início da mensagem|begin doorgestuurd bericht)[^.!?]{0,60}[.:!]?.{0,60}$`)
)

// splitQuote goes over the lines once. Lines that begin with ">" are quoted
// wherever they stand, so that answers below a quotation count too; after a
// separator, an attribution without ">" or a copied header all the rest is.
func splitQuote(text string) (own, quoted string) {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n")
	var mine, theirs []string
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(strings.TrimLeft(line, " \t"), ">"):
			theirs = append(theirs, line)
		case attributes(lines, i) > 0:
			n := attributes(lines, i)
			theirs = append(theirs, lines[i:i+n]...)
			i += n - 1
			if !quoteFollows(lines, i+1) {
				return trimmed(mine), trimmed(append(theirs, lines[i+1:]...))
			}
		case footer().MatchString(line):
			theirs = append(theirs, line)
		case endsOwn(lines, i):
			return trimmed(mine), trimmed(append(theirs, lines[i:]...))
		default:
			mine = append(mine, line)
		}
	}
	return trimmed(mine), trimmed(theirs)
}

// endsOwn tells whether nothing of the writer's comes from this line on: a
// separator, a signature or a copied header.
func endsOwn(lines []string, i int) bool {
	line := lines[i]
	if strings.TrimRight(line, " ") == "--" && i > 0 {
		return true // the signature (RFC 3676 §4.3)
	}
	return separator().MatchString(line) || copiedHeader(lines[i:])
}

// copiedHeader knows the block that Outlook puts above what it quotes, in any
// language: three or more lines "Name: value" in a row, one with an address
// and one with a date, or with the names of those fields.
func copiedHeader(lines []string) bool {
	fields, address, date := 0, false, false
	for _, line := range lines[:min(len(lines), 8)] {
		if !headerField().MatchString(line) {
			break
		}
		fields++
		address = address || strings.Contains(line, "@")
		date = date || yearOrTime().MatchString(line)
	}
	return fields >= 3 && date && (address || namedHeader(lines[:fields]))
}

var yearOrTime = expression(`\b(19|20)\d\d\b|\d\d?[:.]\d\d`)

// attributes gives how many lines from i on are an attribution; programs break
// a long one into two or three.
func attributes(lines []string, i int) int {
	if strings.TrimSpace(lines[i]) == "" {
		return 0
	}
	wholeNext := i+1 < len(lines) && attribution().MatchString(lines[i+1])
	joined := ""
	for n := 1; n <= 3 && i+n <= len(lines); n++ {
		joined = strings.TrimSpace(joined + " " + strings.TrimSpace(lines[i+n-1]))
		if len(joined) > 400 || strings.TrimSpace(lines[i+n-1]) == "" ||
			n > 1 && (wholeNext || !beginsAttribution(lines[i])) {
			return 0 // a line of the writer's own above the attribution
		}
		if attribution().MatchString(joined) || wrote().MatchString(joined) || wroteAt(joined) ||
			strings.HasSuffix(joined, ":") && n == 1 && strings.ContainsAny(joined, "0123456789") && quoteIsNext(lines, i+n) {
			return n
		}
	}
	return 0
}

func quoteIsNext(lines []string, i int) bool {
	return i < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i]), ">")
}

// quoteFollows looks past blank lines for a line that begins with ">".
func quoteFollows(lines []string, i int) bool {
	for i < len(lines) && strings.TrimSpace(lines[i]) == "" {
		i++
	}
	return quoteIsNext(lines, i)
}

func trimmed(lines []string) string { return strings.TrimSpace(strings.Join(lines, "\n")) }

func join(a, b string) string { return strings.TrimSpace(a + "\n" + b) }
