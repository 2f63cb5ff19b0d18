package templates

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// right is one person's request, in one language.
func right(lang, sender string) RightData {
	return RightData{Language: lang, Sender: sender, Contact: "privacy@harbour.example", Link: "https://news.harbour.example/r/abc234", Action: "/r/abc234",
		Way: "/r/abc234", Ask: "/link", Reference: "H-12", MaskedAddress: Mask("ann@example.com"), Old: Mask("ann@example.com"), New: Mask("ann@example.org"),
		Other: Mask("ann@example.org"), Reason: "The address is right after all.", At: pageAt(), Until: pageAt().AddDate(0, 0, 30), Days: 30,
		Changes: []Correction{{"last_name", "O’Neill"}, {"plan", "pro"}, {"company", ""}}}
}

// reportData is a copy with an entry of each sort.
func reportData(lang, sender string) ReportData {
	return ReportData{Language: lang, Sender: sender, Reference: "H-12", Action: "/r/abc234", At: pageAt(), Contact: "privacy@harbour.example", Sections: []ReportSection{
		{ID: "profile", Entries: [][]ReportField{{{Label: "email", Value: "ann@example.com"}, {Label: "first_name"}, {Label: "stored", Time: pageAt()}}}},
		{ID: "choices", Entries: [][]ReportField{{{Label: "scope", Coded: "marketing"}, {Label: "choice", Coded: "out"}}, {{Label: "scope", Coded: "topic:news"}}}},
		{ID: "messages"}, {ID: "retention"}}}
}

// rightPages writes the pages about these rights.
func rightPages(lang, sender string) map[string]func(io.Writer) error {
	all := map[string]func(io.Writer) error{"report": func(w io.Writer) error { return ReportPage(w, reportData(lang, sender)) }}
	for name, write := range map[string]func(io.Writer, RightData) error{"copy-ask": CopyAskPage, "copy-ready": CopyReadyPage, "copy": CopyPage,
		"copy-closed": CopyClosedPage, "late": LatePage, "move": MovePage, "moved-half": MovedHalfPage, "moved": MovedPage, "move-taken": MoveTakenPage} {
		all[name] = func(w io.Writer) error { return write(w, right(lang, sender)) }
	}
	return all
}

func TestRightPagesGolden(t *testing.T) {
	for name, write := range rightPages("en", "Harbour Notes") {
		golden(t, "page-"+name+".html", written(t, write))
	}
}

func TestRightPagesAreAccessible(t *testing.T) {
	for _, lang := range Languages() {
		for name, write := range rightPages(lang, "Harbour Notes") {
			text := written(t, write)
			count, title := inspect(t, text)
			forms := map[string]int{"copy-ask": 1, "copy": 3, "move": 1, "report": 1}[name]
			if count["h1"] != 1 || count["main"] != 1 || title == "" || count["lang="+lang] != 1 || count["form"] != forms || count["button"] != forms || count["post"] != forms {
				t.Errorf("%s/%s has %v, title %q", lang, name, count, title)
			}
			if count["script"]+count["link"]+count["img"]+count["http"] != 0 || strings.ContainsAny(text[strings.Index(text, "</style>"):], "{}") {
				t.Errorf("%s/%s has a script, something from outside, or a value that was not filled in:\n%s", lang, name, text)
			}
		}
	}
}

// rightMails writes the mails about these rights.
func rightMails(lang string) string {
	var b strings.Builder
	child := right(lang, "Harbour Notes")
	child.Child = Mask("kim@example.com")
	add := func(subject, text string) { fmt.Fprintf(&b, "Subject: %s\n\n%s\n========\n", subject, text) }
	add(CopyReady(child))
	for _, write := range []func(RightData) (string, string){CopyConfirm, CopyReady, MoveConfirm, Moved, Corrected, Restricted, Lifting} {
		add(write(right(lang, "Harbour Notes")))
	}
	return b.String()
}

func TestRightMailsGolden(t *testing.T) {
	for _, lang := range Languages() {
		text := rightMails(lang)
		if strings.ContainsAny(text, "{}") {
			t.Errorf("%s: a value was not filled in", lang)
		}
		golden(t, "rights-"+lang+".txt", text)
	}
}

// TestReportHasAllWords: each label and value has words in every language, or in
// none.
func TestReportHasAllWords(t *testing.T) {
	keys := func(words map[string]string) (all []string) {
		for key, text := range words {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s has no words", key)
			}
			all = append(all, key)
		}
		slices.Sort(all)
		return all
	}
	en := wordsFor("en").Report
	for _, lang := range Languages() {
		r := wordsFor(lang).Report
		for name, pair := range map[string][2]map[string]string{"sections": {en.Sections, r.Sections}, "labels": {en.Labels, r.Labels}, "values": {en.Values, r.Values}} {
			if want, got := keys(pair[0]), keys(pair[1]); !slices.Equal(want, got) {
				t.Errorf("%s.yaml: report.%s has %v, English has %v", lang, name, got, want)
			}
		}
	}
}

func TestRightsInjection(t *testing.T) {
	for _, payload := range payloads {
		if clean(payload) == "" {
			continue
		}
		d := reportData("en", payload)
		d.Sections[0].Entries[0][0].Value, d.Sections[1].Entries[0][0].Coded, d.Sections[1].Entries[0][0].Label = payload, payload, payload
		got, _ := inspect(t, written(t, func(w io.Writer) error { return ReportPage(w, d) }))
		want, _ := inspect(t, written(t, func(w io.Writer) error { return ReportPage(w, reportData("en", "S")) }))
		for _, tag := range []string{"script", "img", "b", "a", "form", "input", "dt", "dd", "h1", "h2"} {
			if got[tag] != want[tag] {
				t.Errorf("%.40q makes %d %s, want %d", payload, got[tag], tag, want[tag])
			}
		}
		r := right("en", payload)
		r.Reason, r.Changes[0].Value, r.Changes[1].Field = payload, payload, payload
		for _, write := range []func(RightData) (string, string){Corrected, Lifting, Moved} {
			subject, text := write(r)
			if _, harmless := write(right("en", "S")); oneLine("subject", subject) != nil || strings.Count(text, "\n") != strings.Count(harmless, "\n") {
				t.Errorf("%.40q makes lines of its own:\n%s", payload, text)
			}
		}
	}
}

func TestRightsNameTheAuthority(t *testing.T) {
	with := strings.Join(Rights("en", "privacy@harbour.example", "Harbour Authority"), " ")
	without := strings.Join(Rights("en", "", ""), " ")
	if !strings.Contains(with, "Harbour Authority") || !strings.Contains(with, "privacy@harbour.example") || strings.Contains(without, "Ours is") || strings.Contains(without, "write to") {
		t.Errorf("%s\n%s", with, without)
	}
}

func TestReportWithoutAPerson(t *testing.T) {
	got := written(t, func(w io.Writer) error { return ReportPage(w, ReportData{Sender: "S", Unknown: true, At: time.Now()}) })
	if !strings.Contains(got, "Nobody is stored under this address") || strings.Contains(got, "<button") {
		t.Error(got)
	}
}
