package templates

import (
	"html"
	"io"
	"os"
	"strings"
	"testing"

	"heed/consent"
)

// mailPages are the mails as a mail program shows them: those that have a look of their own, and some of the letters, which
// are plain text.
func mailPages(t *testing.T, lang string) map[string]func(io.Writer) error {
	t.Helper()
	all := map[string]func(io.Writer) error{}
	for name, class := range map[string]consent.Class{"newsletter": consent.Newsletter, "alert": consent.Alert} {
		raw, err := os.ReadFile("examples/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseAs(class, raw)
		if err != nil {
			t.Fatal(err)
		}
		all["mail-"+name] = mailPage(t, c, lang)
	}
	titles := map[consent.Class]string{consent.PartnerOffer: "A berth at Pier Nine for half the price", consent.Legal: "Harbour Notes becomes a part of Quay and Sons",
		consent.PolicyNotice: "Our privacy policy changes on 1 July", consent.ConsentRequest: "May we use your data for research?"}
	for name, class := range map[string]consent.Class{"mail-offer": consent.PartnerOffer, "mail-notice": consent.Legal,
		"mail-policy": consent.PolicyNotice, "mail-ask": consent.ConsentRequest} {
		c := campaign("# " + titles[class] + "\n\nHello {{ first_name | default: \"there\" }},\n\nhere is what it means for you:\n\n- what stays as it is\n- what is new\n\n" +
			"All of it stands [on one page](https://harbour.example/more).\n")
		c.Class, c.Topic = class, ""
		switch class {
		case consent.Legal:
			c.Notice = NoticeSale
		case consent.PolicyNotice, consent.ConsentRequest:
			c.Policy = "2026-06"
		}
		all[name] = mailPage(t, c, lang)
	}
	for name, text := range letterPages(lang) {
		all[name] = func(w io.Writer) error {
			_, err := io.WriteString(w, `<!doctype html><html lang="`+lang+`" dir="`+direction(lang)+`"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`+
				`<meta name="color-scheme" content="light dark"><title>`+name+`</title><main><h1 style="font:600 1rem sans-serif">`+html.EscapeString(text[0])+
				`</h1><p style="font:1rem/1.5 sans-serif;white-space:pre-wrap;overflow-wrap:anywhere">`+html.EscapeString(text[1])+`</p></main></html>`)
			return err
		}
	}
	return all
}

func mailPage(t *testing.T, c Campaign, lang string) func(io.Writer) error {
	t.Helper()
	around := layout()
	around.Language, around.ServiceName = lang, "Harbour Files"
	if c.Class.Marketing() {
		around.Web = "https://news.harbour.example/w/abc234"
	}
	content, err := Compile(c, around)
	if err != nil {
		t.Fatal(err)
	}
	to := links()
	to.Policy = "https://news.harbour.example/v/2026-06"
	_, look, err := content.Full(ann(), to)
	if err != nil {
		t.Fatal(err)
	}
	return func(w io.Writer) error {
		_, err := io.WriteString(w, look)
		return err
	}
}

// letterPages are letters of each sort, by name: subject and text.
func letterPages(lang string) map[string][2]string {
	const sender, link = "Harbour Notes", "https://news.harbour.example/c/abc234"
	both := func(subject, text string) [2]string { return [2]string{subject, strings.TrimSpace(text)} }
	all := map[string][2]string{
		"letter-sign-up":    both(Registration(RegistrationData{Language: lang, Sender: sender, Link: link})),
		"letter-registered": both(AccountConfirmed(signedUp(lang, sender, "Product news"))),
		"letter-notice":     both(OptOutNotice(optOut(lang))),
		"letter-answer":     both(OptOutAnswer(optOut(lang))),
	}
	subject, text := ErasureConfirm(ErasureConfirmData{Language: lang, Sender: sender, Link: link, Reference: "H-12"})
	all["letter-confirm"] = both(subject, WithStatus(text, lang, "https://news.harbour.example/q/abc234"))
	return all
}
