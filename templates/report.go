package templates

import (
	"io"
	"time"
)

// ReportData fills the page with everything that is held about somebody.
type ReportData struct {
	Language  string // BCP 47; English where there are no words
	Sender    string
	Reference string // of the case; may be empty
	Action    string // path that the button for the file posts to; empty leaves it out
	At        time.Time
	Unknown   bool // nobody is stored, only a key is known
	Sections  []ReportSection
	Contact   string // for the rights; may be empty
	Authority string // that the sender answers to; may be empty
}

// ReportSection is a heading with its entries.
type ReportSection struct {
	ID      string // a key of report.sections in lang/*.yaml
	Entries [][]ReportField
}

// ReportField is a detail. Exactly one of the values is shown: Coded is looked up in report.values, Time is written as a
// date and a time. A field without a value is left out.
type ReportField struct {
	Label string // a key of report.labels or report.values; what has no words is shown as it is
	Value string
	Coded string
	Time  time.Time
}

// reportView is the page's part.
type reportView struct{ Sections []reportPart }

type reportPart struct {
	Title   string
	Entries [][]reportLine
	Lines   []string // where there are no entries
}

type reportLine struct{ Label, Value string }

// ReportPage writes that page.
func ReportPage(out io.Writer, d ReportData) error {
	w := wordsFor(d.Language)
	v := newPage(w, d.Sender, w.Report.Title)
	v.What, v.Reference = fillClean(w.Report.Made, "time", w.moment(d.At), "date", w.date(d.At)), reference(w, d.Reference)
	if d.Unknown {
		v.Lines = append(v.Lines, w.Report.Unknown)
	}
	if d.Action != "" {
		v.Lines = append(v.Lines, w.Report.File)
		v.Button = &form{Action: d.Action, Name: "show", Value: "file", Label: w.Rights.OpenFile, Quiet: true}
	}
	v.Report = &reportView{}
	for _, section := range d.Sections {
		v.Report.Sections = append(v.Report.Sections, w.reportPart(section))
	}
	v.Report.Sections = append(v.Report.Sections, reportPart{Title: w.Report.Sections["rights"], Lines: Rights(d.Language, d.Contact, d.Authority)})
	return v.write(out, "report.html")
}

// Rights tells what somebody can ask for, and where to complain (GDPR Art. 15(1)(e), (f) and (h)).
func Rights(language, contact, authority string) []string {
	r := wordsFor(language).Report
	lines := []string{r.RightsCorrect, r.RightsWithdraw, r.RightsFile}
	if contact != "" {
		lines = append(lines, fillClean(r.RightsWrite, "contact", contact))
	}
	if authority == "" {
		return append(lines, r.RightsComplain, r.RightsAutomated)
	}
	return append(lines, fillClean(r.RightsAuthority, "authority", authority), r.RightsAutomated)
}

// Purposes tells what the data is there for (GDPR Art. 15(1)(a)).
func Purposes(language string) string { return wordsFor(language).Report.Why }

func (w *words) reportPart(s ReportSection) reportPart {
	part := reportPart{Title: w.Report.Sections[s.ID]}
	for _, entry := range s.Entries {
		var lines []reportLine
		for _, f := range entry {
			if value := w.reportValue(f); value != "" {
				lines = append(lines, reportLine{w.label(f.Label), value})
			}
		}
		if len(lines) > 0 {
			part.Entries = append(part.Entries, lines)
		}
	}
	if len(part.Entries) == 0 {
		part.Lines = []string{w.Report.Nothing}
		if s.ID == "retention" {
			part.Lines = []string{w.Report.Kept}
		}
	}
	return part
}

func (w *words) reportValue(f ReportField) string {
	switch {
	case !f.Time.IsZero():
		return w.date(f.Time) + w.comma() + w.apart(w.moment(f.Time))
	case f.Coded != "":
		if text, known := w.Report.Values[f.Coded]; known {
			return text
		}
		return clean(f.Coded)
	}
	return clean(f.Value)
}

func (w *words) label(name string) string {
	for _, words := range []map[string]string{w.Report.Labels, w.Report.Values} {
		if text, known := words[name]; known {
			return text
		}
	}
	return clean(name)
}
