package store

// About is what the operator's configuration says of itself: what a copy of
// somebody's data has to tell beside the data (GDPR Art. 15(1)).
type About struct {
	Controller Controller  `json:"controller"`
	Recipients []Recipient `json:"recipients"`
	Retention  []Retention `json:"retention"`
	Authority  string      `json:"authority"` // that the controller answers to; may be empty
}

// Controller is who is responsible.
type Controller struct {
	Name          string `json:"name"`
	PostalAddress string `json:"postal_address"`
	Contact       string `json:"contact"`
}

// Recipient is a processor that works for the controller, or a partner that
// gets data of those who agreed to it.
type Recipient struct {
	Role     string `json:"role"` // processor | partner
	Name     string `json:"name"`
	Purpose  string `json:"purpose"`
	Contract string `json:"contract"`
	Contact  string `json:"contact"`
	Country  string `json:"country"`
	System   string `json:"system,omitempty"` // id of the connected system that is told of erasures
}

// Retention is how long a kind of data is kept.
type Retention struct {
	What string `json:"what"`
	Days int    `json:"days"`
}

// Copy is a report with what has to stand around it, as it is handed out.
type Copy struct {
	Purposes string `json:"purposes"`
	Held
	About
	Rights []string `json:"rights"`
}

// Of gives the recipients who may have the data of somebody: every processor,
// and the partners only where that person agreed to sharing or to offers.
func (a About) Of(s ExplainState) About {
	shared := s.Sharing == "in" || s.PartnerOffers == "in"
	all := []Recipient{}
	for _, one := range a.Recipients {
		if one.Role != RolePartner || shared {
			all = append(all, one)
		}
	}
	a.Recipients = all
	if a.Retention == nil {
		a.Retention = []Retention{}
	}
	return a
}

// The roles of recipients.
const (
	RoleProcessor = "processor"
	RolePartner   = "partner"
)
