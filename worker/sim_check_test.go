package worker

import (
	"fmt"

	"heed/store/storetest"
)

// alertID is the alert among the campaigns; the two before are newsletters to
// the topics of the same numbers.
const alertID = 3

func (w *world) violated(text string) {
	w.gate.note("VIOLATED %s", text)
	w.wrong = append(w.wrong, text)
}

// acknowledged notes an answer, and which claims it may have declared.
func (w *world) acknowledged(s storetest.Stop) {
	if !w.turn("answer " + s.What) {
		return
	}
	s.When = fmt.Sprint("step ", w.gate.steps)
	w.gate.note("acknowledged: %s, %d in flight", s.What, s.InFlight)
	w.Acknowledged(s)
}

// handedOver is called at each message whose end reached the relay.
func (w *world) handedOver(h storetest.Handed) {
	campaign, key := h.Of()
	who, known := w.People[key]
	if !known || campaign == 0 {
		return // a letter to one person
	}
	if campaign != alertID {
		w.endedAt = w.gate.steps
	}
	w.gate.note("handed over: %d/%s to p%d, taken %v", campaign, key, who, h.Taken)
	w.HandedOver(h)
}

func (w *world) rows(query string) [][]string {
	rows, err := w.place.Peek.Rows(query)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}
