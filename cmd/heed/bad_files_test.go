package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
)

const csvHead = "email,first_name,topics,consent_at,consent_source,consent_text\n"

// soundRow is a line that must be imported, whatever stands around it.
func soundRow(name string) string {
	return name + "@sound.example,Ann," + topicNews + ",2026-01-02,form,I want it\n"
}

// badRow is a line that must be refused, and what the refusal must say.
type badRow struct{ line, says string }

func badRows() []badRow {
	const end = "," + topicNews + ",2026-01-02,form,I want it\n"
	return []badRow{
		{"short@bad.example,Ann\n", "2 fields"},
		{"long@bad.example,Ann" + strings.TrimSuffix(end, "\n") + ",more\n", "7 fields"},
		{"quote@bad.example,\"Ann\" and more" + end, `"`},
		{"latin@bad.example,J\xf6rg" + end, "UTF-8"},
		{"utf@bad.example,\xed\xa0\x80" + end, "UTF-8"},
		{"no-at-sign.example,Ann" + end, "not an e-mail address"},
		{"two@@bad.example,Ann" + end, "not an e-mail address"},
		{"\"eve@bad.example\nBcc: you@bad.example\",Ann" + end, "not an e-mail address"},
		{"eve@bad.example%0d%0aBcc:you@bad.example\x7f,Ann" + end, "not an e-mail address"},
		{",Ann" + end, "email is empty"},
		{"nul@bad.example,A\x00nn" + end, "zero byte"},
		{"big@bad.example," + strings.Repeat("A", 10<<20) + end, "megabyte"},
		{"topic@bad.example,Ann,nothing-we-have,2026-01-02,form,I want it\n", "nothing-we-have"},
		{"future@bad.example,Ann," + topicNews + ",2999-01-02,form,I want it\n", "future"},
		{"date@bad.example,Ann," + topicNews + ",31.12.2025,form,I want it\n", "31.12.2025"},
		{"open@bad.example,\"Ann" + end, `"`},
	}
}

// TestE2EBadRows: each broken line is refused by its number, and every sound
// line around them is imported.
func TestE2EBadRows(t *testing.T) {
	d := workroom(t)
	text, says := csvHead, map[int]string{}
	line, sound := 2, 0
	for i, bad := range badRows() {
		text += bad.line + soundRow("p"+decimal(int64(i)))
		says[line] = bad.says
		line += strings.Count(bad.line, "\n") + 1
		sound++
	}
	path := d.put(t, "people.csv", text)
	for _, args := range [][]string{{"--dry-run"}, nil} {
		counts, err := ask[imported](t.Context(), d, append([]string{"contact", "import", path}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		if counts.Added != sound || len(counts.Rejected) != len(says) {
			t.Errorf("%d added and %d refused, want %d and %d", counts.Added, len(counts.Rejected), sound, len(says))
		}
		for _, r := range counts.Rejected {
			if says[r.Row] == "" || !strings.Contains(r.Reason, says[r.Row]) || len(r.Reason) > 300 {
				t.Errorf("line %d: %q, want something with %q", r.Row, r.Reason, says[r.Row])
			}
		}
	}
	for name, known := range map[string]bool{"p0@sound.example": true, "p15@sound.example": true, "open@bad.example": false, "you@bad.example": false} {
		if e, err := ask[explained](t.Context(), d, "explain", name); err != nil || e.Known != known {
			t.Errorf("%s known: %v, want %v, %v", name, e.Known, known, err)
		}
	}
}

// TestE2EBadTables: a file whose header cannot be read is refused whole.
func TestE2EBadTables(t *testing.T) {
	d := workroom(t)
	noise := make([]byte, 200<<10)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise) // it never fails
	for name, one := range map[string]badRow{
		"empty.csv":  {"", "empty"},
		"binary.csv": {string(noise), "line 1"},
		"column.csv": {strings.Replace(csvHead, "first_name", "first_nam", 1) + soundRow("a"), "did you mean first_name"},
		"twice.csv":  {"email,email\na@sound.example,b@sound.example\n", "twice"},
		"noone.csv":  {"first_name\nAnn\n", "email"},
		"semi.csv":   {"email;first_name\na@sound.example;Ann\n", "comma"},
		"utf16.csv":  {"\xff\xfee\x00m\x00a\x00i\x00l\x00\n\x00", "UTF-16"},
	} {
		c := d.complains(t, exitFailed, "contact", "import", d.put(t, name, one.line))
		wants(t, name, c.Error, one.says)
		c = d.complains(t, exitFailed, "suppress", "import", d.put(t, name, one.line))
		wants(t, name+" as suppressions", c.Error+c.Hint, name)
	}
	d.complains(t, exitFailed, "contact", "import", "nowhere.csv")
	if out, err := d.run(t.Context(), "contact", "export"); err != nil || strings.Contains(out, "sound.example") {
		t.Errorf("of files that were refused whole something is stored: %v %q", err, out)
	}
}

// TestE2EBadFrontMatter: what a campaign file says wrong is told with its place,
// and no draft is left behind.
func TestE2EBadFrontMatter(t *testing.T) {
	d := workroom(t)
	file := func(lines string) string {
		return "---\nsubject: Hello\ntopic: " + topicNews + "\n" + lines + "---\nText.\n"
	}
	for name, one := range map[string]badRow{
		"unknown key":     {file("subjekt: Hello\n"), "line 4: unknown key \"subjekt\""},
		"wrong type":      {file("rate: fast\n"), "line 4"},
		"negative rate":   {file("rate: -5\n"), "rate"},
		"a list":          {file("audience: [a, b\n"), "line"},
		"a mapping":       {file("audience:\n  all: yes\n"), "line"},
		"not a date":      {file("schedule: next Tuesday\n"), "next Tuesday"},
		"no such day":     {file("schedule: 2027-02-30 09:00\n"), "2027-02-30 09:00"},
		"no such zone":    {file("time_zone: Europe/Atlantis\n"), "Europe/Atlantis"},
		"skipped hour":    {file("schedule: 2027-03-28 02:30\ntime_zone: Europe/Berlin\n"), "does not exist"},
		"repeated hour":   {file("schedule: 2027-10-31 02:30\ntime_zone: Europe/Berlin\n"), "twice"},
		"unknown class":   {file("class: spam\n"), "spam"},
		"broken audience": {file("audience: first_name == \n"), "audience"},
		"unknown topic":   {"---\nsubject: Hello\ntopic: product-newz\n---\nText.\n", "did you mean " + topicNews},
		"no subject":      {"---\ntopic: " + topicNews + "\n---\nText.\n", "subject"},
		"aliases":         {"---\nsubject: Hello\ntopic: &a " + topicNews + "\naudience: *a\n---\nText.\n", "alias"},
		"twice":           {file("subject: Again\n"), "subject"},
		"line break":      {"---\nsubject: \"Hello\\r\\nBcc: eve@bad.example\"\ntopic: " + topicNews + "\n---\nText.\n", "subject"},
		"other from":      {file("from: eve@bad.example\n"), "bad.example"},
		"broken from":     {file("from: \"notes@notes.example\\nBcc: eve@bad.example\"\n"), "from"},
		"broken liquid":   {file("") + "Dear {{ first_name | , bye.\n", "line 6"},
		"no end":          {"---\nsubject: Hello\n", "---"},
		"no matter":       {"Hello\n", "---"},
		"empty":           {"", "---"},
		"not UTF-8":       {"---\nsubject: J\xf6rg\n---\n", "UTF-8"},
		"binary":          {"---\n\x00\x01\x02\x03\n---\n", ""},
		"long matter":     {file("name: " + strings.Repeat("long ", 10<<10) + "\n"), "at most"},
		"huge":            {file("") + strings.Repeat("Much text. ", 5<<20), "megabyte"},
	} {
		c := d.complains(t, exitFailed, "campaign", "new", d.put(t, "bad.md", one.line))
		wants(t, name, c.Error, one.says)
		if len(c.Error) > 1000 {
			t.Errorf("%s: the error has %d bytes: %.200s", name, len(c.Error), c.Error)
		}
	}
	if out, err := d.run(t.Context(), "campaign", "list", "--json"); err != nil || out != "" {
		t.Errorf("campaigns that were refused are there: %q, %v", out, err)
	}
	d.ends(t, exitDone, "campaign", "new", d.put(t, "good.md", file("")))
}

// TestE2EBadCommandLine: what is typed wrong ends with 2 and says where help is.
func TestE2EBadCommandLine(t *testing.T) {
	d := workroom(t)
	for _, args := range [][]string{
		{"frobnicate"}, {"campaign"}, {"campaign", "strat", "1"}, {"campaign", "start"}, {"campaign", "start", "one"},
		{"campaign", "start", "-1"}, {"campaign", "start", "99999999999999999999"}, {"campaign", "wait", "1", "--timeout", "soon"},
		{"contact", "import"}, {"contact", "import", "a.csv", "b.csv"}, {"contact", "import", "a.csv", "--frobnicate"},
		{"explain"}, {"verify", "--jsom"}, {"alert", "send", "a.md"}, {"campaign", "resend", "1"}, {"--rate"}, {"worker"},
	} {
		c := d.complains(t, exitUsage, args...)
		if c.Hint == "" {
			t.Errorf("heed %s: %q comes without a hint", strings.Join(args, " "), c.Error)
		}
		r, err := d.try(context.Background(), args...)
		if err != nil || r.code != exitUsage || r.out != "" || !strings.HasPrefix(r.err, "heed: ") || !strings.Contains(r.err, "\nhint: ") {
			t.Errorf("heed %s: %d, %q, %q, %v", strings.Join(args, " "), r.code, r.out, r.err, err)
		}
	}
	d.complains(t, exitFailed, "campaign", "status", "7")
	d.complains(t, exitFailed, "explain", "nobody at all")
}
