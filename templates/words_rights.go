package templates

// rightsWords are those of the pages and letters about a copy of one's data, a change of address, corrections and
// restrictions.
type rightsWords struct {
	CopyTitle         string  `yaml:"copy_title"`
	CopyText          string  `yaml:"copy_text"`
	CopyWaits         string  `yaml:"copy_waits"`
	CopyButton        string  `yaml:"copy_button"`
	ReadyTitle        string  `yaml:"ready_title"`
	ReadyText         string  `yaml:"ready_text"`
	ReadyLater        string  `yaml:"ready_later"`
	ReadyLink         string  `yaml:"ready_link"`
	OpenTitle         string  `yaml:"open_title"`
	OpenText          string  `yaml:"open_text"`
	OpenUntil         string  `yaml:"open_until"`
	OpenPage          string  `yaml:"open_page"`
	OpenFile          string  `yaml:"open_file"`
	CloseText         string  `yaml:"close_text"`
	CloseButton       string  `yaml:"close_button"`
	ClosedTitle       string  `yaml:"closed_title"`
	ClosedText        string  `yaml:"closed_text"`
	ClosedAgain       string  `yaml:"closed_again"`
	LateText          counted `yaml:"late_text"`
	LateAgain         string  `yaml:"late_again"`
	MoveTitle         string  `yaml:"move_title"`
	MoveText          string  `yaml:"move_text"`
	MoveKeeps         string  `yaml:"move_keeps"`
	MoveBoth          string  `yaml:"move_both"`
	MoveButton        string  `yaml:"move_button"`
	HalfTitle         string  `yaml:"half_title"`
	HalfText          string  `yaml:"half_text"`
	HalfAfter         string  `yaml:"half_after"`
	MovedTitle        string  `yaml:"moved_title"`
	MovedText         string  `yaml:"moved_text"`
	MovedAfter        string  `yaml:"moved_after"`
	TakenTitle        string  `yaml:"taken_title"`
	TakenText         string  `yaml:"taken_text"`
	TakenAfter        string  `yaml:"taken_after"`
	CopySubject       string  `yaml:"copy_subject"`
	Copy              string  `yaml:"copy"`
	ReadySubject      string  `yaml:"ready_subject"`
	Ready             string  `yaml:"ready"`
	ChildSubject      string  `yaml:"child_subject"`
	Child             string  `yaml:"child"`
	MoveSubject       string  `yaml:"move_subject"`
	Move              string  `yaml:"move"`
	MovedSubject      string  `yaml:"moved_subject"`
	Moved             string  `yaml:"moved"`
	CorrectedSubject  string  `yaml:"corrected_subject"`
	Corrected         string  `yaml:"corrected"`
	RestrictedSubject string  `yaml:"restricted_subject"`
	Restricted        string  `yaml:"restricted"`
	LiftingSubject    string  `yaml:"lifting_subject"`
	Lifting           string  `yaml:"lifting"`
}

// reportWords are those of the page that shows a copy. Labels and values are looked up by the names that the store has for
// things; what has no words is shown as it is.
type reportWords struct {
	Title           string            `yaml:"title"`
	Made            string            `yaml:"made"`
	Unknown         string            `yaml:"unknown"`
	Nothing         string            `yaml:"nothing"`
	Kept            string            `yaml:"kept"`
	Why             string            `yaml:"why"`
	File            string            `yaml:"file"`
	RightsCorrect   string            `yaml:"rights_correct"`
	RightsWithdraw  string            `yaml:"rights_withdraw"`
	RightsFile      string            `yaml:"rights_file"`
	RightsWrite     string            `yaml:"rights_write"`
	RightsComplain  string            `yaml:"rights_complain"`
	RightsAuthority string            `yaml:"rights_authority"`
	RightsAutomated string            `yaml:"rights_automated"`
	Sections        map[string]string `yaml:"sections"`
	Labels          map[string]string `yaml:"labels"`
	Values          map[string]string `yaml:"values"`
}
