package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"heed/consent"
	"heed/store"
	"heed/templates"
)

type consentCommand struct {
	Proof consentProofCommand `cmd:"" help:"Print the chain of what an address decided, and what it proves."`
}

type consentProofCommand struct {
	Address string `arg:"" help:"E-mail address; it need not be stored any more."`
	HTML    string `name:"html" help:"Write a page to print into this file." placeholder:"FILE"`
	output
}

// Help tells what is in it and shows an example.
func (consentProofCommand) Help() string {
	return `Each choice with its wording, policy version and hash, time, source and way, what is left of the evidence, where it stands in the ledger, and whether its hash and the whole chain still hold. After a deletion it says what can still be proven.

Exit code 3 where something does not hold.

Example: heed consent proof ann@example.com --html proof.html`
}

// proofView is the proof with what each row proves, in words.
type proofView struct {
	store.ConsentProof
	Rows []provenRow `json:"rows"`
	OK   bool        `json:"ok"`
}

type provenRow struct {
	store.ProofRow
	Means  string   `json:"means"`
	Proves []string `json:"proves"`
}

// Run prints it.
func (c *consentProofCommand) Run(a *app) error {
	conf, s, err := a.both()
	if err != nil {
		return err
	}
	proof, err := s.ConsentProof(a.ctx, c.Address)
	if err != nil {
		return err
	}
	topics, err := a.topicNames(s)
	if err != nil {
		return err
	}
	v := viewProof(proof, topics)
	if c.HTML != "" {
		if err := writeProof(c.HTML, v.page(conf.Sender.Name)); err != nil {
			return err
		}
		a.note("wrote %s", c.HTML)
	}
	if err := a.show(v, func() { a.sayProof(v) }); err != nil || v.OK {
		return err
	}
	return found("heed verify tells what else is broken", "what is on record about %s was changed", v.Email)
}

func viewProof(p store.ConsentProof, topics map[string]string) proofView {
	v := proofView{ConsentProof: p, Rows: []provenRow{}, OK: len(p.Chain.Broken) == 0}
	for _, row := range p.Rows {
		v.OK = v.OK && row.Verified && row.Kept != store.EvidenceAltered
		v.Rows = append(v.Rows, provenRow{row, decision(row.Scope, row.Choice, topics) + ", " + way(row.Via), proves(row)})
	}
	return v
}

// proves says what a row proves, and what it does not.
func proves(r store.ProofRow) (lines []string) {
	if !r.Verified {
		return []string{"Nothing: its hash is not that of its words and of the row before it, so it was changed."}
	}
	lines = append(lines, fmt.Sprintf("That this was recorded before row %d and whatever came after it, by our clock at %s: its hash goes into every later one.", r.Number+1, stamp(r.Recorded)))
	if r.Choice == string(consent.In) {
		lines = append(lines, yesProves(r))
	} else if r.Choice == string(consent.Out) {
		lines = append(lines, noProves(r))
	}
	if r.Policy != "" {
		lines = append(lines, "That version "+r.Policy+" of the policy was in force, whose text has the SHA-256 "+r.PolicyHash+".")
	}
	switch r.Kept {
	case store.EvidenceIntact:
		lines = append(lines, "That the evidence shown is what was recorded then: its hash is in the row.")
	case store.EvidenceGone:
		lines = append(lines, "Not any more in which words, from where and by whom: that was deleted with the person. Whoever holds a copy of the sealed evidence can hold it against the hash in the row.")
	case store.EvidenceAltered:
		lines = append(lines, "Nothing about the evidence: it is not what was recorded, so it was changed.")
	case store.EvidenceNone:
		lines = append(lines, "Nothing beyond what the row itself says: no evidence was kept with it.")
	}
	return lines
}

func yesProves(r store.ProofRow) string {
	switch via := consent.Via(r.Via); {
	case via == consent.ViaConfirmed:
		return "That the holder of the mailbox agreed: the click came by a link that was mailed there and nowhere else (double opt-in)."
	case via == consent.ViaPage && r.Authenticated:
		return "That the holder of a sealed link, which was mailed to this address, pressed the button."
	case via == consent.ViaImport:
		return "That whoever imported the list said that the person agreed, when, where and in which words. It does not prove the person's act by itself: the source has to."
	case via == consent.ViaAPI:
		return "That the company's own program said that the person agreed. It does not prove the person's act by itself: the program's records have to."
	}
	return "That somebody said yes in this way; not that it was the holder of the address."
}

func noProves(r store.ProofRow) string {
	if r.Authenticated {
		return "That the no came from the holder of the address or of a sealed link to it. It counts until their own later act."
	}
	return "That a no came for this address. It counts whoever said it, until the person's own later act."
}

func (a *app) sayProof(v proofView) {
	for _, line := range v.intro() {
		a.say("%s", line)
	}
	for _, row := range v.Rows {
		a.say("\n%s", row.title())
		for _, fact := range row.facts() {
			if fact[1] != "" {
				a.say("  %-14s %s", fact[0], printableLine(fact[1]))
			}
		}
		for _, line := range row.Proves {
			a.say("  - %s", line)
		}
	}
}

// intro says what the chain as a whole is worth.
func (v proofView) intro() []string {
	lines := []string{fmt.Sprintf("%s, as of %s: %d rows of a ledger of %d rows.", v.Email, stamp(v.At), len(v.Rows), v.Chain.Rows)}
	if v.Chain.Rows == 0 {
		lines = append(lines, "The ledger is empty.")
	} else if len(v.Chain.Broken) == 0 {
		lines = append(lines, "Every row's hash holds, from the first to the head "+v.Chain.Head+".")
	} else {
		lines = append(lines, "The chain is broken at "+strings.Join(v.Chain.Broken, ", ")+"; rows behind it prove nothing.")
	}
	switch {
	case v.Erased:
		lines = append(lines, "The person was deleted. That the rows below were recorded, when, on which way and under which policy can still be proven; their words, and who it was, cannot: the address key alone is left, which nobody can turn back into an address.")
	case len(v.Rows) == 0:
		lines = append(lines, "Nothing is on record about this address: no yes can be proven.")
	case !v.Known:
		lines = append(lines, "Nobody is stored under this address; what is on record is about its key.")
	}
	return lines
}

func (r provenRow) title() string {
	now := ""
	if r.Counts {
		now = " (counts now)"
	}
	return fmt.Sprintf("%s  %s%s", stamp(r.Received), r.Means, now)
}

func (r provenRow) facts() [][2]string {
	holds := "holds"
	if !r.Verified {
		holds = "DOES NOT HOLD"
	}
	return [][2]string{{"scope", r.Scope}, {"choice", r.Choice}, {"received", stamp(r.Received)}, {"recorded", stamp(r.Recorded)}, {"way", r.Via}, {"source", r.Source},
		{"wording", r.Wording}, {"policy", strings.TrimSpace(r.Policy + " " + r.PolicyHash)}, {"evidence", r.Kept}, {"evidence hash", r.EvidenceHash},
		{"ledger row", decimal(r.Number)}, {"hash before", r.Previous}, {"hash", r.Hash + " " + holds}}
}

func (v proofView) page(sender string) templates.ProofData {
	lines := v.intro()
	d := templates.ProofData{Sender: sender, Title: "Proof of consent: " + v.Email, Intro: lines[0], Lines: lines[1:]}
	for _, row := range v.Rows {
		d.Sections = append(d.Sections, templates.ProofSection{Title: row.title(), Facts: row.facts(), Proves: row.Proves})
	}
	return d
}

// writeProof writes the page whole or not at all; it names a person, so that
// only its owner may read it.
func writeProof(path string, d templates.ProofData) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".proof")
	if err != nil {
		return fmt.Errorf("writing the proof: %w", err)
	}
	defer os.Remove(f.Name())
	if err := errors.Join(templates.ProofPage(f, d), f.Close()); err != nil {
		return fmt.Errorf("writing the proof: %w", err)
	}
	return os.Rename(f.Name(), path)
}
