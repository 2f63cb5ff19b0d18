package templates

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/consent"
)

// mails writes what is mailed about an erasure or a registration, in one language.
func mails(lang string) string {
	var b strings.Builder
	add := func(subject, text string) { fmt.Fprintf(&b, "Subject: %s\n\n%s\n========\n", subject, text) }
	const sender, link = "Harbour Notes", "https://news.harbour.example/c/abc234"
	add(ErasureConfirm(ErasureConfirmData{Language: lang, Sender: sender, Link: link, Reference: "C-12"}))
	add(ErasureDone(ErasureDoneData{Language: lang, Sender: sender, Reference: "C-12", Asked: pageAt(), LastBackup: pageAt().AddDate(0, 0, 30),
		Backups: []Cycle{{"database", 30}, {"tapes", 14}}}))
	add(ErasureDone(ErasureDoneData{Language: lang, Sender: sender, Reference: "C-12", Asked: pageAt(), Deleted: []string{"Harbour Files"},
		Kept: []Kept{{"Invoices", "§ 147 AO", pageAt().AddDate(8, 0, 0)}, {"Payments", "a court order", time.Time{}}}}))
	add(Registration(RegistrationData{Language: lang, Sender: sender, Link: link}))
	add(AlreadySignedUp(signedUp(lang, sender, "Product news")))
	add(AccountConfirmed(signedUp(lang, sender, "Product news")))
	add("footer of an alert", AlertFooter(lang, "Harbour Files", link))
	return b.String()
}

func TestMailsGolden(t *testing.T) {
	for _, lang := range Languages() {
		golden(t, "mails-"+lang+".txt", mails(lang))
	}
}

func TestUnknownLanguageIsEnglish(t *testing.T) {
	for tag, want := range map[string]string{"": "en", "ja": "en", "de": "de", "de-AT": "de", "ES_mx": "es", "deu": "en"} {
		if got := wordsFor(tag).Language; got != want {
			t.Errorf("wordsFor(%q) is %s, want %s", tag, got, want)
		}
	}
}

var inBraces = regexp.MustCompile(`\{[a-z]+\}`)

// TestLanguagesAreComplete wants every word in every language, with the same values to fill in.
func TestLanguagesAreComplete(t *testing.T) {
	english := leaves("", reflect.ValueOf(*wordsFor("en")))
	for _, lang := range Languages() {
		w, err := readWords(lang)
		if err != nil {
			t.Fatal(err)
		}
		if w.Language != lang {
			t.Errorf("%s.yaml: language %q", lang, w.Language)
		}
		if got := ownNames()[lang]; got != w.Name || got == "" {
			t.Errorf("%s.yaml: its name is %q, pages call it %q", lang, w.Name, got)
		}
		for key, text := range leaves("", reflect.ValueOf(*w)) {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s.yaml lacks %s", lang, key)
			}
			got, want := inBraces.FindAllString(text, -1), inBraces.FindAllString(english[key], -1)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s.yaml: %s has %v, English has %v", lang, key, got, want)
			}
		}
	}
}

// TestLanguagesAreListed wants each file in lang/ to be one of the languages, and each language on its page.
func TestLanguagesAreListed(t *testing.T) {
	files, err := langFiles.ReadDir("lang")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(Languages(), strings.TrimSuffix(f.Name(), ".yaml")) {
			t.Errorf("lang/%s is in no list", f.Name())
		}
	}
	page, err := os.ReadFile("../docs/languages.md")
	if err != nil {
		t.Fatal(err)
	}
	_, written, _ := strings.Cut(string(page), "# The languages in which heed writes")
	for _, lang := range Languages() {
		if !strings.Contains(written, "\n| "+lang+" | ") {
			t.Errorf("docs/languages.md does not list %s among those that heed writes", lang)
		}
	}
}

// TestItalianDatesStandAlone: "il" and "dal" before a date would be wrong on the 8th and the 11th, "alle" at one o'clock.
func TestItalianDatesStandAlone(t *testing.T) {
	wrong := regexp.MustCompile(`(?i)(\b(il|dal|al|del|alle|dalle) |[’'])\{(date|yes|no|received|due|time)\}`)
	for key, text := range leaves("", reflect.ValueOf(*wordsFor("it"))) {
		if found := wrong.FindString(text); found != "" {
			t.Errorf("%s: %q is not right for every day and hour", key, found)
		}
	}
}

// leaves lists the texts of a struct by their path.
func leaves(path string, v reflect.Value) map[string]string {
	out := map[string]string{}
	for i := range v.NumField() {
		name := path + "." + v.Type().Field(i).Name
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			out[name] = f.String()
		case reflect.Struct:
			for k, s := range leaves(name, f) {
				out[k] = s
			}
		}
	}
	return out
}

func TestReason(t *testing.T) {
	r := links().Reason
	tests := []struct {
		name, lang string
		class      consent.Class
		change     func(*Reason)
		want       string
	}{
		{"all known", "en", consent.Newsletter, func(*Reason) {}, "You get this because you signed up for “Product news” on 3 May 2026 (website form)."},
		{"no source", "de", consent.Newsletter, func(r *Reason) { r.Source = "" }, "Sie erhalten diese E-Mail, weil Sie am 3. Mai 2026 „Product news“ bestellt haben."},
		{"the first", "fr", consent.Newsletter, func(r *Reason) { r.Source = ""; r.At = r.At.AddDate(0, 0, -2) }, "Vous recevez ce message parce que vous vous êtes inscrit à « Product news » le 1er mai 2026."},
		{"topic only", "es", consent.Newsletter, func(r *Reason) { *r = Reason{Topic: "Product news"} }, "Recibe este mensaje porque se suscribió a «Product news»."},
		{"nothing", "en", consent.Newsletter, func(r *Reason) { *r = Reason{} }, "You get this because you signed up for “our newsletter”."},
		{"offers", "en", consent.PartnerOffer, func(r *Reason) { r.Topic = "" }, "You get this because you signed up for “offers from our partners” on 3 May 2026 (website form)."},
	}
	for _, tt := range tests {
		changed := r
		tt.change(&changed)
		if got := reasonText(wordsFor(tt.lang), tt.class, changed); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
