package templates

import (
	"embed"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"time"

	"heed/consent"
)

//go:embed layout
var layoutFiles embed.FS

// LayoutData is what stands around every message of a sender.
type LayoutData struct {
	Sender         string // the name that people know; shown at the top and in the footer
	PostalAddress  string // one or several lines; the law wants it under all marketing
	PrivacyContact string // an address for questions about data; may be empty
	Language       string // BCP 47 tag of the content, "en" if empty; the footer is in the nearest language there is
	ServiceName    string // for alerts; the service's id if empty
	Web            string // absolute URL of the web version; empty leaves its link out
	Public         bool   // this is the web version: it says nothing of a reader
}

func (l LayoutData) validate(c consent.Class) error {
	if clean(l.Sender) == "" {
		return errors.New("the sender has no name: set name under [sender]")
	}
	if c != consent.Alert && strings.TrimSpace(l.PostalAddress) == "" {
		return errors.New("the sender has no postal address, which must stand under every newsletter: set postal_address under [sender]")
	}
	if !languageTag.MatchString(l.language()) {
		return fmt.Errorf("%q is not a language tag such as en or pt-BR", l.Language)
	}
	return nil
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

func (l LayoutData) language() string {
	if l.Language == "" {
		return "en"
	}
	return l.Language
}

// imprint is the sender's name, postal address and contact, a line each.
func (l LayoutData) imprint(w *words) []string {
	lines := []string{w.apart(clean(l.Sender))}
	for _, line := range strings.Split(l.PostalAddress, "\n") {
		if line = clean(line); line != "" {
			lines = append(lines, w.apart(line))
		}
	}
	if contact := clean(l.PrivacyContact); contact != "" {
		lines = append(lines, fill(w.Footer.Privacy, "contact", contact))
	}
	return lines
}

var marker = regexp.MustCompile(`\[\[([a-z_]+)\]\]`)

// fillLayout copies a layout file into out and calls insert for each [[name]] in it.
func fillLayout(out *part, file string, insert func(name string)) {
	raw, err := layoutFiles.ReadFile("layout/" + file)
	if err != nil {
		panic(err) // the file is part of the program
	}
	text, at := string(raw), 0
	for _, m := range marker.FindAllStringSubmatchIndex(text, -1) {
		out.write(text[at:m[0]])
		insert(text[m[2]:m[3]])
		at = m[1]
	}
	out.write(text[at:])
}

// frame is what the layout needs to surround a rendered body.
type frame struct {
	class              consent.Class
	notice             string // kind of a notice
	layout             LayoutData
	words              *words
	subject, preheader part
}

func (f frame) html(body part) part {
	var out part
	lang := f.layout.language()
	values := map[string]string{
		"lang": lang, "dir": direction(lang), "start": start(lang), "font": fontStack, "sender": clean(f.layout.Sender),
		"footer_lang": f.words.Language, "footer_dir": direction(f.words.Language), "footer_start": start(f.words.Language),
	}
	fillLayout(&out, "mail.html", func(name string) {
		switch name {
		case "subject":
			out.embed(moved(f.subject, inHTML))
		case "web":
			f.web(&out, true)
		case "preheader":
			out.embed(moved(f.preheader, inHTML))
		case "body":
			out.embed(body)
		case "footer":
			f.footer(&out, f.footerFile()+".html", true)
		case "font": // ours, and its quotes are those of the attribute's inside
			out.write(values[name])
		default:
			out.write(html.EscapeString(values[name]))
		}
	})
	return out
}

func (f frame) text(body part) part {
	var out part
	f.web(&out, false)
	out.embed(body)
	f.footer(&out, f.footerFile()+".txt", false)
	return out
}

// web is the link to the web version, before everything else: who needs it cannot read what follows.
func (f frame) web(out *part, asHTML bool) {
	switch {
	case f.layout.Web == "":
	case asHTML:
		out.write(`<p class="web" lang="` + f.words.Language + `" dir="` + direction(f.words.Language) + `" style="margin:0 0 12px;font-family:` + fontStack + `;font-size:13px;line-height:1.6;color:#54636f;"><a href="` +
			html.EscapeString(f.layout.Web) + `" style="color:#0b5c8a;text-decoration:underline;">` + html.EscapeString(f.words.Centre.Web) + `</a></p>` + "\n")
	default:
		out.write(f.words.Centre.Web + ":\n" + f.layout.Web + "\n\n")
	}
}

func (f frame) footerFile() string {
	if f.layout.Public {
		return "footer_web"
	}
	switch f.class {
	case consent.Alert:
		return "footer_alert"
	case consent.PolicyNotice:
		return "footer_policy"
	case consent.ConsentRequest:
		return "footer_ask"
	case consent.Legal:
		return "footer_notice"
	}
	return "footer_marketing"
}

func (f frame) footer(out *part, file string, asHTML bool) {
	escaped, separator, reason, link := func(s string) string { return s }, "\n", inText, inText
	if asHTML {
		escaped, separator, reason, link = html.EscapeString, "<br>", inHTML, inWhole
	}
	fillLayout(out, file, func(name string) {
		switch name {
		case "reason":
			f.reason(out, escaped, reason)
		case "unsubscribe_url":
			out.own(unsubscribeURL, link)
		case "preferences_url":
			out.own(preferencesURL, link)
		case "policy_url":
			out.own(policyURL, link)
		case "policy":
			out.write(escaped(f.policyWord()))
		case "unused_url":
			out.own(unusedURL, link)
		case "unused":
			out.write(escaped(fill(f.words.Sharing.Unused, "service", clean(f.layout.ServiceName))))
		case "note":
			out.write(escaped(fillClean(f.words.Centre.WebNote, "sender", f.layout.Sender)))
		case "unsubscribe":
			out.write(escaped(f.words.Footer.Unsubscribe))
		case "preferences":
			out.write(escaped(f.preferencesWord()))
		case "imprint":
			out.write(strings.Join(each(f.layout.imprint(f.words), escaped), separator))
		}
	})
}

// policyWord is the link to the version that a notice tells of, or to the page that asks.
func (f frame) policyWord() string {
	if f.class == consent.ConsentRequest {
		return f.words.Signup.AskLink
	}
	return f.words.Signup.BannerLink
}

func (f frame) preferencesWord() string {
	if f.class.Marketing() {
		return f.words.Footer.Preferences
	}
	return f.words.Footer.AlertChoices
}

// reason writes why the person gets this: for alerts and notices it is the same for all, otherwise a field.
func (f frame) reason(out *part, escaped func(string) string, where place) {
	switch {
	case f.class == consent.Alert:
		out.write(escaped(fill(f.words.Footer.AlertReason, "service", clean(f.layout.ServiceName))))
	case f.class == consent.PolicyNotice:
		out.write(escaped(fillClean(f.words.Signup.NoticeReason, "sender", f.layout.Sender)))
	case f.class == consent.ConsentRequest:
		out.write(escaped(fillClean(f.words.Signup.AskReason, "sender", f.layout.Sender)))
	case f.notice == NoticeSale:
		out.write(escaped(f.words.Sharing.SaleReason))
	case f.class == consent.Legal:
		out.write(escaped(f.words.Sharing.LegalReason))
	default:
		out.own(reasonLine, where)
	}
}

// reasonText says where a consent comes from, as far as it is known.
func reasonText(w *words, class consent.Class, r Reason) string {
	topic, source, date := clean(r.Topic), clean(r.Source), ""
	if topic == "" {
		topic = w.Footer.Newsletter
		if class == consent.PartnerOffer {
			topic = w.Footer.Offers
		}
	}
	if !r.At.IsZero() {
		date = w.date(r.At)
	}
	sentence := w.Footer.Reason
	switch {
	case date != "" && source != "":
		sentence = w.Footer.ReasonDateSource
	case date != "":
		sentence = w.Footer.ReasonDate
	case source != "":
		sentence = w.Footer.ReasonSource
	}
	return fill(sentence, "topic", topic, "date", date, "source", source)
}

// moved gives a part's fields another place; its literals are plain text and are escaped for it.
func moved(p part, where place) part {
	var out part
	for _, x := range p {
		switch {
		case x.token == nil:
			out.write(escape(where, x.literal))
		default:
			out.field(x.token, where)
		}
	}
	return out
}

func each(list []string, f func(string) string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = f(s)
	}
	return out
}

func direction(language string) string {
	base, _, _ := strings.Cut(strings.ToLower(language), "-")
	switch base {
	case "ar", "fa", "he", "ps", "sd", "ug", "ur", "yi":
		return "rtl"
	}
	return "ltr"
}

func start(language string) string {
	if direction(language) == "rtl" {
		return "right"
	}
	return "left"
}

// date writes a day in words, as CLDR has it; the time of day of a consent says nothing to its owner. Sentences go on
// behind a date, so that its last word is no abbreviation, whose full stop would meet theirs. French and Italian write the
// first of a month as an ordinal, which CLDR has no form for.
func (w *words) date(t time.Time) string {
	t = t.UTC()
	long := w.calendar.FmtDateLong(t)
	if ordinal := ordinals[w.Language]; ordinal != "" && t.Day() == 1 {
		return ordinal + strings.TrimPrefix(long, "1")
	}
	return wholeYears.Replace(long)
}

var (
	ordinals   = map[string]string{"fr": "1er", "it": "1º"}
	wholeYears = strings.NewReplacer(" г.", " года", " р.", " року")
)

// moment writes a time of day as people read it, with its zone.
func (w *words) moment(t time.Time) string {
	return t.UTC().Format("15:04") + " UTC"
}
