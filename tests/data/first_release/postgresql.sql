CREATE TABLE public.clicks (
    offer_id bigint NOT NULL,
    clicked_at timestamp without time zone,
    load_id integer NOT NULL
);
CREATE TABLE public.database_info (
    id character varying NOT NULL,
    schema_version integer NOT NULL,
    created_at timestamp without time zone NOT NULL
);
CREATE TABLE public.leads (
    lead_uuid character varying NOT NULL,
    requested double precision,
    loan_purpose character varying,
    credit character varying,
    annual_income double precision,
    load_id integer NOT NULL
);
CREATE TABLE public.loads (
    id integer NOT NULL,
    problem character varying NOT NULL,
    source character varying NOT NULL,
    loaded_at timestamp without time zone NOT NULL
);
CREATE SEQUENCE public.loads_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.loads_id_seq OWNED BY public.loads.id;
CREATE TABLE public.model_versions (
    model_id character varying NOT NULL,
    logged_model_id character varying NOT NULL,
    registry character varying NOT NULL,
    decision_threshold double precision NOT NULL,
    first_used_at timestamp without time zone NOT NULL
);
CREATE TABLE public.offers (
    offer_id bigint NOT NULL,
    lead_uuid character varying NOT NULL,
    apr double precision,
    lender_id bigint,
    load_id integer NOT NULL
);
CREATE SEQUENCE public.offers_offer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.offers_offer_id_seq OWNED BY public.offers.offer_id;
CREATE TABLE public.rejected_rows (
    id bigint NOT NULL,
    load_id integer NOT NULL,
    problem character varying NOT NULL,
    source character varying NOT NULL,
    table_name character varying NOT NULL,
    row_number bigint NOT NULL,
    reason character varying NOT NULL,
    row_values json NOT NULL
);
CREATE SEQUENCE public.rejected_rows_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.rejected_rows_id_seq OWNED BY public.rejected_rows.id;
CREATE TABLE public.results_clicked (
    id bigint NOT NULL,
    model_id character varying NOT NULL,
    process_time timestamp without time zone NOT NULL,
    offer_id bigint,
    request_amt double precision,
    annual_income double precision,
    apr double precision,
    credit_type character varying,
    loan_type character varying,
    clicked character varying NOT NULL,
    click_probability double precision NOT NULL,
    trained_on boolean,
    source character varying NOT NULL,
    scoring_run_id bigint
);
CREATE SEQUENCE public.results_clicked_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.results_clicked_id_seq OWNED BY public.results_clicked.id;
CREATE TABLE public.results_clicked_rejected (
    id bigint NOT NULL,
    model_id character varying NOT NULL,
    offer_id bigint NOT NULL,
    reason character varying NOT NULL,
    process_time timestamp without time zone NOT NULL,
    scoring_run_id bigint NOT NULL
);
CREATE SEQUENCE public.results_clicked_rejected_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.results_clicked_rejected_id_seq OWNED BY public.results_clicked_rejected.id;
CREATE TABLE public.scoring_runs (
    id bigint NOT NULL,
    model_id character varying NOT NULL,
    endpoint character varying NOT NULL,
    started_at timestamp without time zone NOT NULL,
    finished_at timestamp without time zone,
    outcome character varying NOT NULL,
    stored bigint NOT NULL,
    rejected bigint NOT NULL
);
CREATE SEQUENCE public.scoring_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.scoring_runs_id_seq OWNED BY public.scoring_runs.id;
ALTER TABLE ONLY public.loads ALTER COLUMN id SET DEFAULT nextval('public.loads_id_seq'::regclass);
ALTER TABLE ONLY public.offers ALTER COLUMN offer_id SET DEFAULT nextval('public.offers_offer_id_seq'::regclass);
ALTER TABLE ONLY public.rejected_rows ALTER COLUMN id SET DEFAULT nextval('public.rejected_rows_id_seq'::regclass);
ALTER TABLE ONLY public.results_clicked ALTER COLUMN id SET DEFAULT nextval('public.results_clicked_id_seq'::regclass);
ALTER TABLE ONLY public.results_clicked_rejected ALTER COLUMN id SET DEFAULT nextval('public.results_clicked_rejected_id_seq'::regclass);
ALTER TABLE ONLY public.scoring_runs ALTER COLUMN id SET DEFAULT nextval('public.scoring_runs_id_seq'::regclass);
INSERT INTO public.clicks VALUES (810000143, '2021-04-04 08:14:36.679', 1);
INSERT INTO public.clicks VALUES (810000311, '2021-03-26 05:37:55.702', 1);
INSERT INTO public.clicks VALUES (810000314, '2021-03-28 04:00:34.588', 1);
INSERT INTO public.clicks VALUES (810000368, '2021-03-26 12:45:43.605', 1);
INSERT INTO public.clicks VALUES (810000429, '2021-03-24 13:19:13.129', 1);
INSERT INTO public.clicks VALUES (810000529, '2021-03-23 07:30:16.809', 1);
INSERT INTO public.database_info VALUES ('242d3b39-31f1-4ebd-a536-bfb2d5d156ed', 1, '2026-11-21 11:33:30.592401');
INSERT INTO public.leads VALUES ('2b6275a4-0b1f-4eaf-804b-9772b056bfdd', 250, 'debt_consolidation', 'poor', 57600, 1);
INSERT INTO public.leads VALUES ('8989e885-cead-46fa-a763-ea9679431120', 8000, 'debt_consolidation', 'excellent', 33600, 1);
INSERT INTO public.leads VALUES ('85489439-e523-4dce-88b8-8ce61dbaa0f9', 1000, 'debt_consolidation', 'poor', 31200, 1);
INSERT INTO public.leads VALUES ('a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 300, 'debt_consolidation', 'fair', 34200, 1);
INSERT INTO public.leads VALUES ('2c050c6c-84c7-44a0-b4cd-297361350f9d', 20000, 'debt_consolidation', 'good', 54600, 1);
INSERT INTO public.leads VALUES ('2e785a80-028c-423f-ab28-4e4c21e575c5', 850, 'debt_consolidation', 'poor', 34800, 1);
INSERT INTO public.leads VALUES ('17b4b298-495a-4bf6-b281-46b4b448e75a', 1500, 'debt_consolidation', 'poor', 20400, 1);
INSERT INTO public.leads VALUES ('c9fb96d8-75ed-407b-89d0-fceb46b8b672', 13000, 'debt_consolidation', 'poor', 99600, 1);
INSERT INTO public.leads VALUES ('bbce774a-3a74-4a68-9fbd-e73796281dcc', 2000, 'debt_consolidation', 'poor', 39600, 1);
INSERT INTO public.leads VALUES ('9b8d4078-5a9a-47ff-88c5-89083e7a76bd', 700, 'debt_consolidation', 'poor', 18600, 1);
INSERT INTO public.leads VALUES ('07a352ff-4faa-447a-9958-ce27d47a637b', 850, 'debt_consolidation', 'poor', 22800, 1);
INSERT INTO public.leads VALUES ('7d11bbbf-ee09-4712-830b-30393ec40b22', 350, 'debt_consolidation', 'poor', 37800, 1);
INSERT INTO public.leads VALUES ('6eb7a189-dff7-47d7-b963-0e1d71111a4b', 2500, 'debt_consolidation', 'poor', 49200, 1);
INSERT INTO public.leads VALUES ('3c7cc4a5-c1b3-4f75-b413-33223d20c874', 1000, 'other', 'poor', 18600, 1);
INSERT INTO public.leads VALUES ('698996fe-d887-45d3-adfb-2cb7ccb6609f', 7500, 'debt_consolidation', 'fair', 60000, 1);
INSERT INTO public.leads VALUES ('0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 550, 'credit_card_refi', 'poor', 18000, 1);
INSERT INTO public.leads VALUES ('feeafa74-6b7a-4139-9277-df0fcafc83d7', 550, 'debt_consolidation', 'poor', 24000, 1);
INSERT INTO public.leads VALUES ('0fb47c68-104a-4367-8066-67af9ddaef54', 700, 'wedding', 'fair', 64200, 1);
INSERT INTO public.leads VALUES ('7ee42e4e-6b37-4eac-8743-60e2f3b62bf9', 2000, 'debt_consolidation', 'fair', 98400, 1);
INSERT INTO public.leads VALUES ('6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 1500, 'debt_consolidation', 'fair', 40200, 1);
INSERT INTO public.leads VALUES ('157479e3-46ce-49f2-b9f5-674b4193b4c8', 8500, 'debt_consolidation', 'good', 43800, 1);
INSERT INTO public.leads VALUES ('4a2f25f4-4821-4d17-af71-82ee702e85ad', 450, 'debt_consolidation', 'poor', 67800, 1);
INSERT INTO public.leads VALUES ('e308106c-7a58-4d23-8ccb-97dacd73c230', 1000, 'debt_consolidation', 'poor', 21000, 1);
INSERT INTO public.leads VALUES ('21acfe50-13b4-4a42-bc74-278d71f14bba', 6500, 'debt_consolidation', 'poor', 41400, 1);
INSERT INTO public.leads VALUES ('34ad26dd-43ae-4a5a-a143-b36bf7840380', 1000, 'debt_consolidation', 'poor', 40200, 1);
INSERT INTO public.loads VALUES (1, 'offer_click', '/home/lender/source', '2026-11-21 11:33:30.5951');
INSERT INTO public.model_versions VALUES ('offer-click/1', 'm-d735406f913443a69e00449eafa61d34', 'sqlite:////home/lender/mlflow.db', 0.04231082503674277, '2026-11-21 11:33:33.106857');
INSERT INTO public.offers VALUES (810000011, '2b6275a4-0b1f-4eaf-804b-9772b056bfdd', 241.34, 1103, 1);
INSERT INTO public.offers VALUES (810000024, '2b6275a4-0b1f-4eaf-804b-9772b056bfdd', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000037, '2b6275a4-0b1f-4eaf-804b-9772b056bfdd', 149, 1777, 1);
INSERT INTO public.offers VALUES (810000045, '2b6275a4-0b1f-4eaf-804b-9772b056bfdd', 124.52, 1103, 1);
INSERT INTO public.offers VALUES (810000046, '8989e885-cead-46fa-a763-ea9679431120', 23.42, 1065, 1);
INSERT INTO public.offers VALUES (810000048, '8989e885-cead-46fa-a763-ea9679431120', 35.76, 327, 1);
INSERT INTO public.offers VALUES (810000057, '8989e885-cead-46fa-a763-ea9679431120', 16.68, 240, 1);
INSERT INTO public.offers VALUES (810000062, '85489439-e523-4dce-88b8-8ce61dbaa0f9', 159, 1777, 1);
INSERT INTO public.offers VALUES (810000069, '85489439-e523-4dce-88b8-8ce61dbaa0f9', 21.35, 621, 1);
INSERT INTO public.offers VALUES (810000076, 'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000088, 'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 171.74, 1777, 1);
INSERT INTO public.offers VALUES (810000093, 'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 17.45, 958, 1);
INSERT INTO public.offers VALUES (810000106, 'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000108, 'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 34.58, 240, 1);
INSERT INTO public.offers VALUES (810000120, 'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 145.55, 1390, 1);
INSERT INTO public.offers VALUES (810000131, 'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2', 26.58, 621, 1);
INSERT INTO public.offers VALUES (810000143, '2c050c6c-84c7-44a0-b4cd-297361350f9d', 24.77, 327, 1);
INSERT INTO public.offers VALUES (810000146, '2c050c6c-84c7-44a0-b4cd-297361350f9d', 12.8, 327, 1);
INSERT INTO public.offers VALUES (810000159, '2e785a80-028c-423f-ab28-4e4c21e575c5', 172.24, 1777, 1);
INSERT INTO public.offers VALUES (810000167, '2e785a80-028c-423f-ab28-4e4c21e575c5', 32.8, 2042, 1);
INSERT INTO public.offers VALUES (810000173, '2e785a80-028c-423f-ab28-4e4c21e575c5', 199.2, 1390, 1);
INSERT INTO public.offers VALUES (810000177, '2e785a80-028c-423f-ab28-4e4c21e575c5', 159, 1777, 1);
INSERT INTO public.offers VALUES (810000180, '17b4b298-495a-4bf6-b281-46b4b448e75a', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000183, '17b4b298-495a-4bf6-b281-46b4b448e75a', 177.65, 1103, 1);
INSERT INTO public.offers VALUES (810000195, 'c9fb96d8-75ed-407b-89d0-fceb46b8b672', 159, 1777, 1);
INSERT INTO public.offers VALUES (810000202, 'c9fb96d8-75ed-407b-89d0-fceb46b8b672', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000214, 'c9fb96d8-75ed-407b-89d0-fceb46b8b672', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000221, 'c9fb96d8-75ed-407b-89d0-fceb46b8b672', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000229, 'c9fb96d8-75ed-407b-89d0-fceb46b8b672', 106.56, 1103, 1);
INSERT INTO public.offers VALUES (810000232, 'c9fb96d8-75ed-407b-89d0-fceb46b8b672', 159, 1777, 1);
INSERT INTO public.offers VALUES (810000237, 'c9fb96d8-75ed-407b-89d0-fceb46b8b672', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000249, 'bbce774a-3a74-4a68-9fbd-e73796281dcc', 31.28, 2042, 1);
INSERT INTO public.offers VALUES (810000260, '9b8d4078-5a9a-47ff-88c5-89083e7a76bd', 199, 1103, 1);
INSERT INTO public.offers VALUES (810000272, '07a352ff-4faa-447a-9958-ce27d47a637b', 225.2, 1390, 1);
INSERT INTO public.offers VALUES (810000284, '07a352ff-4faa-447a-9958-ce27d47a637b', 149, 1390, 1);
INSERT INTO public.offers VALUES (810000285, '07a352ff-4faa-447a-9958-ce27d47a637b', 110.75, 1103, 1);
INSERT INTO public.offers VALUES (810000298, '7d11bbbf-ee09-4712-830b-30393ec40b22', 102.42, 1390, 1);
INSERT INTO public.offers VALUES (810000306, '7d11bbbf-ee09-4712-830b-30393ec40b22', 159, 1777, 1);
INSERT INTO public.offers VALUES (810000311, '7d11bbbf-ee09-4712-830b-30393ec40b22', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000314, '7d11bbbf-ee09-4712-830b-30393ec40b22', 249, 1390, 1);
INSERT INTO public.offers VALUES (810000326, '7d11bbbf-ee09-4712-830b-30393ec40b22', 149, 1777, 1);
INSERT INTO public.offers VALUES (810000332, '7d11bbbf-ee09-4712-830b-30393ec40b22', 149, 1390, 1);
INSERT INTO public.offers VALUES (810000344, '7d11bbbf-ee09-4712-830b-30393ec40b22', 246.82, 1103, 1);
INSERT INTO public.offers VALUES (810000348, '7d11bbbf-ee09-4712-830b-30393ec40b22', 105.06, 1103, 1);
INSERT INTO public.offers VALUES (810000360, '6eb7a189-dff7-47d7-b963-0e1d71111a4b', 105.1, 1777, 1);
INSERT INTO public.offers VALUES (810000364, '3c7cc4a5-c1b3-4f75-b413-33223d20c874', 107.43, 1103, 1);
INSERT INTO public.offers VALUES (810000368, '3c7cc4a5-c1b3-4f75-b413-33223d20c874', 13.19, 958, 1);
INSERT INTO public.offers VALUES (810000377, '3c7cc4a5-c1b3-4f75-b413-33223d20c874', 249, 1777, 1);
INSERT INTO public.offers VALUES (810000390, '3c7cc4a5-c1b3-4f75-b413-33223d20c874', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000396, '3c7cc4a5-c1b3-4f75-b413-33223d20c874', 216.95, 1103, 1);
INSERT INTO public.offers VALUES (810000409, '698996fe-d887-45d3-adfb-2cb7ccb6609f', 14.42, 11, 1);
INSERT INTO public.offers VALUES (810000412, '698996fe-d887-45d3-adfb-2cb7ccb6609f', 28.36, 1065, 1);
INSERT INTO public.offers VALUES (810000415, '698996fe-d887-45d3-adfb-2cb7ccb6609f', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000425, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 199, 1103, 1);
INSERT INTO public.offers VALUES (810000429, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000434, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 149, 1390, 1);
INSERT INTO public.offers VALUES (810000438, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 180.46, 1103, 1);
INSERT INTO public.offers VALUES (810000441, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000446, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 163.63, 1103, 1);
INSERT INTO public.offers VALUES (810000448, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000457, '0828cc68-7c28-4a2e-9598-98bc5f2cbaa2', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000470, 'feeafa74-6b7a-4139-9277-df0fcafc83d7', 149, 1390, 1);
INSERT INTO public.offers VALUES (810000471, 'feeafa74-6b7a-4139-9277-df0fcafc83d7', 30.23, 327, 1);
INSERT INTO public.offers VALUES (810000478, 'feeafa74-6b7a-4139-9277-df0fcafc83d7', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000491, 'feeafa74-6b7a-4139-9277-df0fcafc83d7', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000492, '0fb47c68-104a-4367-8066-67af9ddaef54', 157.76, 1103, 1);
INSERT INTO public.offers VALUES (810000496, '0fb47c68-104a-4367-8066-67af9ddaef54', 31.16, 327, 1);
INSERT INTO public.offers VALUES (810000502, '7ee42e4e-6b37-4eac-8743-60e2f3b62bf9', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000504, '6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 249, 1777, 1);
INSERT INTO public.offers VALUES (810000510, '6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 127.42, 1103, 1);
INSERT INTO public.offers VALUES (810000520, '6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 121.01, 1103, 1);
INSERT INTO public.offers VALUES (810000529, '6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000532, '6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 6.23, 2042, 1);
INSERT INTO public.offers VALUES (810000544, '6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000553, '6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba', 180.96, 1103, 1);
INSERT INTO public.offers VALUES (810000557, '157479e3-46ce-49f2-b9f5-674b4193b4c8', 15.66, 1065, 1);
INSERT INTO public.offers VALUES (810000568, '157479e3-46ce-49f2-b9f5-674b4193b4c8', 28.75, 11, 1);
INSERT INTO public.offers VALUES (810000572, '157479e3-46ce-49f2-b9f5-674b4193b4c8', 17.08, 621, 1);
INSERT INTO public.offers VALUES (810000574, '4a2f25f4-4821-4d17-af71-82ee702e85ad', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000579, '4a2f25f4-4821-4d17-af71-82ee702e85ad', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000583, '4a2f25f4-4821-4d17-af71-82ee702e85ad', 157.72, 1103, 1);
INSERT INTO public.offers VALUES (810000584, 'e308106c-7a58-4d23-8ccb-97dacd73c230', 159, 1103, 1);
INSERT INTO public.offers VALUES (810000596, 'e308106c-7a58-4d23-8ccb-97dacd73c230', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000602, 'e308106c-7a58-4d23-8ccb-97dacd73c230', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000613, 'e308106c-7a58-4d23-8ccb-97dacd73c230', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000615, 'e308106c-7a58-4d23-8ccb-97dacd73c230', 199, 1103, 1);
INSERT INTO public.offers VALUES (810000627, 'e308106c-7a58-4d23-8ccb-97dacd73c230', 159, 1777, 1);
INSERT INTO public.offers VALUES (810000634, '21acfe50-13b4-4a42-bc74-278d71f14bba', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000641, '21acfe50-13b4-4a42-bc74-278d71f14bba', 178.82, 1103, 1);
INSERT INTO public.offers VALUES (810000642, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 29.06, 2042, 1);
INSERT INTO public.offers VALUES (810000646, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 99.85, 1103, 1);
INSERT INTO public.offers VALUES (810000649, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 167, 1103, 1);
INSERT INTO public.offers VALUES (810000658, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 184.52, 1103, 1);
INSERT INTO public.offers VALUES (810000663, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 157.08, 1103, 1);
INSERT INTO public.offers VALUES (810000671, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 249, 1103, 1);
INSERT INTO public.offers VALUES (810000680, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 199, 1103, 1);
INSERT INTO public.offers VALUES (810000689, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 149, 1777, 1);
INSERT INTO public.offers VALUES (810000700, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 107.5, 1103, 1);
INSERT INTO public.offers VALUES (810000711, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000717, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 149, 1103, 1);
INSERT INTO public.offers VALUES (810000730, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 141.28, 1777, 1);
INSERT INTO public.offers VALUES (810000738, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 152.64, 1103, 1);
INSERT INTO public.offers VALUES (810000750, '34ad26dd-43ae-4a5a-a143-b36bf7840380', 149, 1103, 1);
INSERT INTO public.results_clicked VALUES (1, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000011, 250, 57600, 241.34, 'poor', 'debt_consolidation', 'Not clicked', 0.007742093746902093, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (2, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000024, 250, 57600, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.01292902031995132, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (3, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000037, 250, 57600, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.013757035445789564, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (4, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000045, 250, 57600, 124.52, 'poor', 'debt_consolidation', 'Not clicked', 0.016011041748407596, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (5, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000046, 8000, 33600, 23.42, 'excellent', 'debt_consolidation', 'Not clicked', 0.037787563712004583, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (6, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000048, 8000, 33600, 35.76, 'excellent', 'debt_consolidation', 'Not clicked', 0.03506380742136632, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (7, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000057, 8000, 33600, 16.68, 'excellent', 'debt_consolidation', 'Not clicked', 0.03935997209672125, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (8, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000062, 1000, 31200, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.01653468660088829, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (9, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000069, 1000, 31200, 21.35, 'poor', 'debt_consolidation', 'Not clicked', 0.038434954415183305, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (10, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000076, 300, 34200, 159, 'fair', 'debt_consolidation', 'Not clicked', 0.015296715866197241, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (11, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000088, 300, 34200, 171.74, 'fair', 'debt_consolidation', 'Not clicked', 0.014135129975605568, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (12, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000093, 300, 34200, 17.45, 'fair', 'debt_consolidation', 'Not clicked', 0.0364691356859721, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (13, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000106, 300, 34200, 149, 'fair', 'debt_consolidation', 'Not clicked', 0.016273865656871497, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (14, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000108, 300, 34200, 34.58, 'fair', 'debt_consolidation', 'Not clicked', 0.03286557081086438, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (15, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000120, 300, 34200, 145.55, 'fair', 'debt_consolidation', 'Not clicked', 0.016625026508841997, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (16, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000131, 300, 34200, 26.58, 'fair', 'debt_consolidation', 'Not clicked', 0.03450356523871926, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (17, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000143, 20000, 54600, 24.77, 'good', 'debt_consolidation', 'Not clicked', 0.03632815509751979, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (18, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000146, 20000, 54600, 12.8, 'good', 'debt_consolidation', 'Not clicked', 0.0390586758486775, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (19, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000159, 850, 34800, 172.24, 'poor', 'debt_consolidation', 'Not clicked', 0.014723425387554794, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (20, 'offer-click/1', '2026-11-21 11:33:33.146036', 810000167, 850, 34800, 32.8, 'poor', 'debt_consolidation', 'Not clicked', 0.03468344143307813, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (21, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000173, 850, 34800, 199.2, 'poor', 'debt_consolidation', 'Not clicked', 0.012454976204393307, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (22, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000177, 850, 34800, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.015981971127768075, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (23, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000180, 1500, 20400, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.019484085506305496, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (24, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000183, 1500, 20400, 177.65, 'poor', 'debt_consolidation', 'Not clicked', 0.016322833812232266, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (25, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000195, 13000, 99600, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.01014087396231612, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (26, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000202, 13000, 99600, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.01014087396231612, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (27, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000214, 13000, 99600, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.01014087396231612, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (28, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000221, 13000, 99600, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.010792279755205001, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (29, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000229, 13000, 99600, 106.56, 'poor', 'debt_consolidation', 'Not clicked', 0.014048917564443472, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (30, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000232, 13000, 99600, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.01014087396231612, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (31, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000237, 13000, 99600, 249, 'poor', 'debt_consolidation', 'Not clicked', 0.00578189667921609, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (32, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000249, 2000, 39600, 31.28, 'poor', 'debt_consolidation', 'Not clicked', 0.03395911043224967, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (33, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000260, 700, 18600, 199, 'poor', 'debt_consolidation', 'Not clicked', 0.01441054191829797, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (34, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000272, 850, 22800, 225.2, 'poor', 'debt_consolidation', 'Not clicked', 0.011810228859147951, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (35, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000284, 850, 22800, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.018937440606147823, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (36, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000285, 850, 22800, 110.75, 'poor', 'debt_consolidation', 'Not clicked', 0.023966384583239998, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (37, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000298, 350, 37800, 102.42, 'poor', 'debt_consolidation', 'Not clicked', 0.021943792852770653, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (38, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000306, 350, 37800, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.015473121745845916, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (39, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000311, 350, 37800, 249, 'poor', 'debt_consolidation', 'Not clicked', 0.008842593535538432, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (40, 'offer-click/1', '2026-11-21 11:33:33.165388', 810000314, 350, 37800, 249, 'poor', 'debt_consolidation', 'Not clicked', 0.008842593535538432, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (41, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000326, 350, 37800, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.016461351912580014, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (42, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000332, 350, 37800, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.016461351912580014, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (43, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000344, 350, 37800, 246.82, 'poor', 'debt_consolidation', 'Not clicked', 0.008963615082442087, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (44, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000348, 350, 37800, 105.06, 'poor', 'debt_consolidation', 'Not clicked', 0.021590129575585714, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (45, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000360, 2500, 49200, 105.1, 'poor', 'debt_consolidation', 'Not clicked', 0.019940196854027942, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (46, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000364, 1000, 18600, 107.43, 'poor', 'other', 'Clicked', 0.0442562582731458, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (47, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000368, 1000, 18600, 13.19, 'poor', 'other', 'Clicked', 0.07730210888316774, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (48, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000377, 1000, 18600, 249, 'poor', 'other', 'Not clicked', 0.018648173081969706, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (49, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000390, 1000, 18600, 149, 'poor', 'other', 'Not clicked', 0.03442198893287855, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (50, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000396, 1000, 18600, 216.95, 'poor', 'other', 'Not clicked', 0.02271972957518674, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (51, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000409, 7500, 60000, 14.42, 'fair', 'debt_consolidation', 'Not clicked', 0.031895233509744325, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (52, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000412, 7500, 60000, 28.36, 'fair', 'debt_consolidation', 'Not clicked', 0.029295520484865438, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (53, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000415, 7500, 60000, 159, 'fair', 'debt_consolidation', 'Not clicked', 0.013092832801406632, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (54, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000425, 550, 18000, 199, 'poor', 'credit_card_refi', 'Not clicked', 0.013584701743394635, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (55, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000429, 550, 18000, 249, 'poor', 'credit_card_refi', 'Not clicked', 0.009954670043491615, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (56, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000434, 550, 18000, 149, 'poor', 'credit_card_refi', 'Not clicked', 0.01851369360999619, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (57, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000438, 550, 18000, 180.46, 'poor', 'credit_card_refi', 'Not clicked', 0.015239788794561436, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (58, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000441, 550, 18000, 149, 'poor', 'credit_card_refi', 'Not clicked', 0.01851369360999619, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (59, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000446, 550, 18000, 163.63, 'poor', 'credit_card_refi', 'Not clicked', 0.016913212603373834, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (60, 'offer-click/1', '2026-11-21 11:33:33.192012', 810000448, 550, 18000, 159, 'poor', 'credit_card_refi', 'Not clicked', 0.017404434760069046, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (61, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000457, 550, 18000, 249, 'poor', 'credit_card_refi', 'Not clicked', 0.009954670043491615, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (62, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000470, 550, 24000, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.01867476206876318, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (63, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000471, 550, 24000, 30.23, 'poor', 'debt_consolidation', 'Not clicked', 0.03862415099801647, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (64, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000478, 550, 24000, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.01867476206876318, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (65, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000491, 550, 24000, 249, 'poor', 'debt_consolidation', 'Not clicked', 0.010042037176707238, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (66, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000492, 700, 64200, 157.76, 'fair', 'wedding', 'Not clicked', 0.032059281965981, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (67, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000496, 700, 64200, 31.16, 'fair', 'wedding', 'Clicked', 0.0684288367838987, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (68, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000502, 2000, 98400, 149, 'fair', 'debt_consolidation', 'Not clicked', 0.009279676792400406, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (69, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000504, 1500, 40200, 249, 'fair', 'debt_consolidation', 'Not clicked', 0.008385826335556137, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (70, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000510, 1500, 40200, 127.42, 'fair', 'debt_consolidation', 'Not clicked', 0.017847752846253614, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (71, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000520, 1500, 40200, 121.01, 'fair', 'debt_consolidation', 'Not clicked', 0.018568600443438183, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (72, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000529, 1500, 40200, 149, 'fair', 'debt_consolidation', 'Not clicked', 0.015617236126687434, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (73, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000532, 1500, 40200, 6.23, 'fair', 'debt_consolidation', 'Not clicked', 0.03749253460135899, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (74, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000544, 1500, 40200, 149, 'fair', 'debt_consolidation', 'Not clicked', 0.015617236126687434, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (75, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000553, 1500, 40200, 180.96, 'fair', 'debt_consolidation', 'Not clicked', 0.012808987784553708, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (76, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000557, 8500, 43800, 15.66, 'good', 'debt_consolidation', 'Not clicked', 0.037436535323801944, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (77, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000568, 8500, 43800, 28.75, 'good', 'debt_consolidation', 'Not clicked', 0.03457929663345391, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (78, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000572, 8500, 43800, 17.08, 'good', 'debt_consolidation', 'Not clicked', 0.037115927058546945, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (79, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000574, 450, 67800, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.012573796925046066, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (80, 'offer-click/1', '2026-11-21 11:33:33.223096', 810000579, 450, 67800, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.01181614588089342, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (81, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000583, 450, 67800, 157.72, 'poor', 'debt_consolidation', 'Not clicked', 0.011910549191240431, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (82, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000584, 1000, 21000, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.018122445648539837, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (83, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000596, 1000, 21000, 249, 'poor', 'debt_consolidation', 'Not clicked', 0.01036858785591955, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (84, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000602, 1000, 21000, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.019276568637120548, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (85, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000613, 1000, 21000, 249, 'poor', 'debt_consolidation', 'Not clicked', 0.01036858785591955, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (86, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000615, 1000, 21000, 199, 'poor', 'debt_consolidation', 'Not clicked', 0.014147400387229581, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (87, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000627, 1000, 21000, 159, 'poor', 'debt_consolidation', 'Not clicked', 0.018122445648539837, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (88, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000634, 6500, 41400, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.01701872677413884, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (89, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000641, 6500, 41400, 178.82, 'poor', 'debt_consolidation', 'Not clicked', 0.014148616897151004, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (90, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000642, 1000, 40200, 29.06, 'poor', 'debt_consolidation', 'Not clicked', 0.033881025344936554, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (91, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000646, 1000, 40200, 99.85, 'poor', 'debt_consolidation', 'Not clicked', 0.02197116539494621, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (92, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000649, 1000, 40200, 167, 'poor', 'debt_consolidation', 'Not clicked', 0.014510249350365222, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (93, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000658, 1000, 40200, 184.52, 'poor', 'debt_consolidation', 'Not clicked', 0.013015532852626886, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (94, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000663, 1000, 40200, 157.08, 'poor', 'debt_consolidation', 'Not clicked', 0.015430299102020572, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (95, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000671, 1000, 40200, 249, 'poor', 'debt_consolidation', 'Not clicked', 0.00871300178534574, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (96, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000680, 1000, 40200, 199, 'poor', 'debt_consolidation', 'Not clicked', 0.011895691824065717, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (97, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000689, 1000, 40200, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.01622193164119564, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (98, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000700, 1000, 40200, 107.5, 'poor', 'debt_consolidation', 'Not clicked', 0.02096037605002284, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (99, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000711, 1000, 40200, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.01622193164119564, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (100, 'offer-click/1', '2026-11-21 11:33:33.245646', 810000717, 1000, 40200, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.01622193164119564, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (101, 'offer-click/1', '2026-11-21 11:33:33.269052', 810000730, 1000, 40200, 141.28, 'poor', 'debt_consolidation', 'Not clicked', 0.017015549459134728, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (102, 'offer-click/1', '2026-11-21 11:33:33.269052', 810000738, 1000, 40200, 152.64, 'poor', 'debt_consolidation', 'Not clicked', 0.015860478122908205, false, 'batch', 1);
INSERT INTO public.results_clicked VALUES (103, 'offer-click/1', '2026-11-21 11:33:33.269052', 810000750, 1000, 40200, 149, 'poor', 'debt_consolidation', 'Not clicked', 0.01622193164119564, false, 'batch', 1);
INSERT INTO public.scoring_runs VALUES (1, 'offer-click/1', 'http://127.0.0.1:5111', '2026-11-21 11:33:33.118082', '2026-11-21 11:33:33.280535', 'finished', 103, 0);
SELECT pg_catalog.setval('public.loads_id_seq', 1, true);
SELECT pg_catalog.setval('public.offers_offer_id_seq', 1, false);
SELECT pg_catalog.setval('public.rejected_rows_id_seq', 1, false);
SELECT pg_catalog.setval('public.results_clicked_id_seq', 103, true);
SELECT pg_catalog.setval('public.results_clicked_rejected_id_seq', 1, false);
SELECT pg_catalog.setval('public.scoring_runs_id_seq', 1, true);
ALTER TABLE ONLY public.clicks
    ADD CONSTRAINT clicks_pkey PRIMARY KEY (offer_id);
ALTER TABLE ONLY public.database_info
    ADD CONSTRAINT database_info_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.leads
    ADD CONSTRAINT leads_pkey PRIMARY KEY (lead_uuid);
ALTER TABLE ONLY public.loads
    ADD CONSTRAINT loads_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.model_versions
    ADD CONSTRAINT model_versions_logged_model_id_key UNIQUE (logged_model_id);
ALTER TABLE ONLY public.model_versions
    ADD CONSTRAINT model_versions_pkey PRIMARY KEY (model_id);
ALTER TABLE ONLY public.offers
    ADD CONSTRAINT offers_pkey PRIMARY KEY (offer_id);
ALTER TABLE ONLY public.rejected_rows
    ADD CONSTRAINT rejected_rows_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.results_clicked
    ADD CONSTRAINT results_clicked_model_id_offer_id_key UNIQUE (model_id, offer_id);
ALTER TABLE ONLY public.results_clicked
    ADD CONSTRAINT results_clicked_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.results_clicked_rejected
    ADD CONSTRAINT results_clicked_rejected_model_id_offer_id_key UNIQUE (model_id, offer_id);
ALTER TABLE ONLY public.results_clicked_rejected
    ADD CONSTRAINT results_clicked_rejected_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.scoring_runs
    ADD CONSTRAINT scoring_runs_pkey PRIMARY KEY (id);
CREATE INDEX ix_offers_lead_uuid ON public.offers USING btree (lead_uuid);
CREATE INDEX ix_rejected_rows_source ON public.rejected_rows USING btree (problem, source);
CREATE INDEX ix_results_clicked_offer_id ON public.results_clicked USING btree (offer_id);
ALTER TABLE ONLY public.clicks
    ADD CONSTRAINT clicks_load_id_fkey FOREIGN KEY (load_id) REFERENCES public.loads(id);
ALTER TABLE ONLY public.clicks
    ADD CONSTRAINT clicks_offer_id_fkey FOREIGN KEY (offer_id) REFERENCES public.offers(offer_id);
ALTER TABLE ONLY public.leads
    ADD CONSTRAINT leads_load_id_fkey FOREIGN KEY (load_id) REFERENCES public.loads(id);
ALTER TABLE ONLY public.offers
    ADD CONSTRAINT offers_lead_uuid_fkey FOREIGN KEY (lead_uuid) REFERENCES public.leads(lead_uuid);
ALTER TABLE ONLY public.offers
    ADD CONSTRAINT offers_load_id_fkey FOREIGN KEY (load_id) REFERENCES public.loads(id);
ALTER TABLE ONLY public.rejected_rows
    ADD CONSTRAINT rejected_rows_load_id_fkey FOREIGN KEY (load_id) REFERENCES public.loads(id);
ALTER TABLE ONLY public.results_clicked
    ADD CONSTRAINT results_clicked_model_id_fkey FOREIGN KEY (model_id) REFERENCES public.model_versions(model_id);
ALTER TABLE ONLY public.results_clicked
    ADD CONSTRAINT results_clicked_offer_id_fkey FOREIGN KEY (offer_id) REFERENCES public.offers(offer_id);
ALTER TABLE ONLY public.results_clicked_rejected
    ADD CONSTRAINT results_clicked_rejected_model_id_fkey FOREIGN KEY (model_id) REFERENCES public.model_versions(model_id);
ALTER TABLE ONLY public.results_clicked_rejected
    ADD CONSTRAINT results_clicked_rejected_offer_id_fkey FOREIGN KEY (offer_id) REFERENCES public.offers(offer_id);
ALTER TABLE ONLY public.results_clicked_rejected
    ADD CONSTRAINT results_clicked_rejected_scoring_run_id_fkey FOREIGN KEY (scoring_run_id) REFERENCES public.scoring_runs(id);
ALTER TABLE ONLY public.results_clicked
    ADD CONSTRAINT results_clicked_scoring_run_id_fkey FOREIGN KEY (scoring_run_id) REFERENCES public.scoring_runs(id);
ALTER TABLE ONLY public.scoring_runs
    ADD CONSTRAINT scoring_runs_model_id_fkey FOREIGN KEY (model_id) REFERENCES public.model_versions(model_id);
