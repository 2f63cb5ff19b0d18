package templates

import "io"

// ProofData fills the printable page with the chain of what an address decided. It is for staff and authorities, and in
// English like all that staff read.
type ProofData struct {
	Sender   string
	Title    string
	Intro    string
	Lines    []string
	Sections []ProofSection
}

// ProofSection is one decision: its facts, and what they prove.
type ProofSection struct {
	Title  string
	Facts  [][2]string // label and value; those without a value are left out
	Proves []string
}

// ProofPage writes that page. Nothing in it is fetched from anywhere, so that it can be kept as a file.
func ProofPage(w io.Writer, d ProofData) error {
	v := newPage(wordsFor("en"), d.Sender, clean(d.Title))
	v.What, v.Lines, v.Report = clean(d.Intro), cleaned(d.Lines), &reportView{}
	for _, section := range d.Sections {
		part := reportPart{Title: clean(section.Title), Lines: cleaned(section.Proves)}
		var facts []reportLine
		for _, fact := range section.Facts {
			if value := clean(fact[1]); value != "" {
				facts = append(facts, reportLine{fact[0], value})
			}
		}
		if len(facts) > 0 {
			part.Entries = [][]reportLine{facts}
		}
		v.Report.Sections = append(v.Report.Sections, part)
	}
	return v.write(w, "proof.html")
}

func cleaned(lines []string) []string { return each(lines, clean) }
