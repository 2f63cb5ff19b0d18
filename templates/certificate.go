package templates

import (
	"strconv"
	"strings"
	"time"
)

// ErasureDoneData fills the last message to somebody whose data is deleted: the certificate of it.
type ErasureDoneData struct {
	Language   string
	Sender     string
	Reference  string
	Asked      time.Time // when the request came
	Deleted    []string  // other systems that have deleted too
	Kept       []Kept    // what others keep because they must
	Backups    []Cycle
	LastBackup time.Time // when the last copy is overwritten
}

// Kept is what a system keeps of somebody because a law wants it.
type Kept struct {
	Name, Law string
	Until     time.Time // zero: no date was told
}

// Cycle says how long copies of one kind live.
type Cycle struct {
	Name string
	Days int
}

// ErasureDone is that message: what is deleted, by whom, what stays and why, and when the last backup is gone.
func ErasureDone(d ErasureDoneData) (subject, text string) {
	w := wordsFor(d.Language)
	m := w.Mails
	paragraphs := []string{fillClean(m.Erased, "date", w.date(d.Asked))}
	if len(d.Deleted) > 0 {
		paragraphs = append(paragraphs, list(m.ErasedBy, d.Deleted, func(name string) string { return "- " + clean(name) }))
	}
	if rest := m.ErasedRest + "\n"; len(d.Kept) == 0 {
		paragraphs = append(paragraphs, rest)
	} else {
		paragraphs = append(paragraphs, list(m.ErasedKept, d.Kept, w.kept))
	}
	if len(d.Backups) > 0 {
		var cycles []string
		for _, one := range d.Backups {
			cycles = append(cycles, fillClean(m.ErasedCycle.of(one.Days), "name", one.Name, "days", strconv.Itoa(one.Days)))
		}
		paragraphs = append(paragraphs, fill(m.ErasedBackups, "date", w.date(d.LastBackup), "list", strings.Join(cycles, w.comma())))
	}
	paragraphs = append(paragraphs, fillClean(m.ErasedEnd, "reference", d.Reference, "sender", d.Sender))
	return m.ErasedSubject, strings.Join(paragraphs, "\n")
}

func (w *words) kept(k Kept) string {
	if k.Until.IsZero() {
		return fillClean(w.Mails.ErasedLaw, "name", k.Name, "law", k.Law)
	}
	return fillClean(w.Mails.ErasedLawUntil, "name", k.Name, "law", k.Law, "date", w.date(k.Until))
}

// list is a sentence with a line for each below it.
func list[T any](sentence string, all []T, line func(T) string) string {
	text := sentence + "\n\n"
	for _, one := range all {
		text += line(one) + "\n"
	}
	return text
}
