package templates

// sharingWords are those of service alerts and notices, and of the page on which somebody says that they use a service no
// more.
type sharingWords struct {
	Unused       string `yaml:"unused"`
	LegalReason  string `yaml:"legal_reason"`
	SaleReason   string `yaml:"sale_reason"`
	UnusedTitle  string `yaml:"unused_title"`
	UnusedText   string `yaml:"unused_text"`
	UnusedKeeps  string `yaml:"unused_keeps"`
	UnusedButton string `yaml:"unused_button"`
	AskedTitle   string `yaml:"asked_title"`
	AskedText    string `yaml:"asked_text"`
	AskedAfter   string `yaml:"asked_after"`
	NoneTitle    string `yaml:"none_title"`
	NoneText     string `yaml:"none_text"`
}
